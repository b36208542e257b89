import CLinux
import Glibc

/// A failed file call: which one, on what, and why. Worded as Go words it by `goText`.
struct FileFault: Error {
  let call: StaticString
  let path: String
  let number: Int32

  var goText: String { "\(call) \(path): \(goErrorText(number))" }
}

/// Whole-file reads and writes, as the vendor's start needs them.
enum Files {
  /// Largest file read here: certificates, keys, manifests and scenarios are far smaller.
  static let readBytesMax = 16 * 1024 * 1024
  private static let pieceBytes = 64 * 1024

  static func read(_ path: String) throws(FileFault) -> Bytes {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileFault(call: "open", path: path, number: pm_errno()) }
    defer { close(file) }
    var content: Bytes = []
    var piece = Bytes(repeating: 0, count: pieceBytes)
    while content.count < readBytesMax {
      // Safe: the kernel writes at most the length of the array it is given.
      let count = unsafe piece.withUnsafeMutableBytes {
        unsafe Glibc.read(file, $0.baseAddress, $0.count)
      }
      if count < 0 { throw FileFault(call: "read", path: path, number: pm_errno()) }
      if count == 0 { break }
      content.append(contentsOf: piece[..<count])
    }
    return content
  }

  /// Writes `content` anew, or behind what is there.
  static func write(_ content: Bytes, to path: String, appending: Bool = false) throws(FileFault) {
    let mode = O_WRONLY | O_CREAT | O_CLOEXEC | (appending ? O_APPEND : O_TRUNC)
    let file = unsafe open(path, mode, 0o644)
    guard file >= 0 else { throw FileFault(call: "open", path: path, number: pm_errno()) }
    defer { close(file) }
    guard writeAll(content, to: file) else {
      throw FileFault(call: "write", path: path, number: pm_errno())
    }
  }

  /// Writes every byte, blocking; false on an error, with errno left in place.
  static func writeAll(_ content: Bytes, to file: Int32) -> Bool {
    var sent = 0
    while sent < content.count {
      // Safe: the span stays inside the array, which outlives the call.
      let count = unsafe content.withUnsafeBytes {
        unsafe Glibc.write(file, $0.baseAddress?.advanced(by: sent), $0.count - sent)
      }
      if count < 0 && pm_errno() == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  static func makeDirectory(_ path: String) throws(FileFault) {
    guard unsafe mkdir(path, 0o755) != 0 else { return }
    let number = pm_errno()
    guard number == EEXIST else { throw FileFault(call: "mkdir", path: path, number: number) }
  }

  /// Names in a directory; none when it cannot be read.
  static func names(in path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    // Safe: an entry is valid until the next readdir on the same stream, and copied before.
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { raw in
        unsafe String(decoding: raw.prefix(while: { $0 != 0 }), as: UTF8.self)
      }
      names.append(name)
    }
    return names
  }

  static func environment(_ name: String) -> String? {
    // Safe: read once at start, before any thread; the value is copied.
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}
