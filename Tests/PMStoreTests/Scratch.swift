import Glibc
import PMSystem

/// A folder of one test, gone with it.
final class Scratch {
  let path: String

  init() throws {
    path = "/tmp/pm-store-\(UInt64.random(in: .min ... .max))"
    try FileIO.makeFolder(path, mode: 0o700)
  }

  deinit {
    for name in names { _ = unsafe unlink("\(path)/\(name)") }
    _ = unsafe rmdir(path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  var names: [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  func copy(_ from: String, to: String) throws {
    let bytes = try FileIO.read(file(from), bytesMax: 1 << 30)
    try FileIO.replace(file(to), with: bytes, mode: 0o600)
  }
}
