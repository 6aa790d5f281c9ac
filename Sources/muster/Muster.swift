import MusterCLI

@main
struct Muster {
    static func main() async {
        await CommandLineTool.main()
    }
}
