@main
struct Supervise {
    static func main() {}
}
