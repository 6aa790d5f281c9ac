import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Files and folders of a tree on disk.
enum FMFDisk {
    enum Kind {
        case file
        case folder
        case other
    }

    struct Name {
        var name: String
        var kind: Kind
        var isLink: Bool
    }

    /// What is at a path, through symbolic links; nil when nothing is.
    static func kind(of path: String) -> Kind? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// What is in a folder, sorted by name; nil when it cannot be read. Names that are no UTF-8 are left out.
    static func names(in folder: String) -> [Name]? {
        guard let stream = opendir(folder) else { return nil }
        defer { closedir(stream) }
        var names: [Name] = []
        while let entry = readdir(stream) {
            let type = entry.pointee.d_type
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
            }
            guard let name, name != ".", name != ".." else { continue }
            switch Int32(type) {
            case Int32(DT_REG): names.append(Name(name: name, kind: .file, isLink: false))
            case Int32(DT_DIR): names.append(Name(name: name, kind: .folder, isLink: false))
            default:
                // A link, or a file system that does not say: it must be asked for. What leads nowhere is a file.
                let path = folder + "/" + name
                names.append(Name(name: name, kind: kind(of: path) ?? .file, isLink: isLink(path)))
            }
        }
        return names.sorted { $0.name.precedes($1.name) }
    }

    /// The path without symbolic links in it.
    static func realPath(_ path: String) -> String {
        guard let pointer = realpath(path, nil) else { return path }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    /// The path from the root, without `.` and `..`.
    static func absolutePath(_ path: String) -> String {
        var parts: [Substring] = []
        let path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// At most `limit` bytes of a file and one more.
    static func bytes(of path: String, limit: Int) throws(FMFProblem) -> [UInt8] {
        let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw FMFProblem("it cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw FMFProblem("it is no file that can be read")
        }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit) + 1)
        var count = 0
        while count <= limit {
            if count == bytes.count { bytes.append(contentsOf: [UInt8](repeating: 0, count: 65_536)) }
            let result = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress! + count, $0.count - count) }
            if result < 0, errno == EINTR { continue }
            guard result >= 0 else { throw FMFProblem("it cannot be read: \(String(cString: strerror(errno)))") }
            guard result > 0 else { break }
            count += result
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
