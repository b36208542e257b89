import Glibc
import PMSystem

/// A folder of one test, gone with it.
final class Scratch {
  let path: String

  init() throws {
    path = "/tmp/pm-core-\(UInt64.random(in: .min ... .max))"
    try FileIO.makeFolder(path, mode: 0o700)
  }

  deinit {
    for name in names { _ = unsafe unlink("\(path)/\(name)") }
    _ = unsafe rmdir(path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func write(_ text: String, to name: String) throws {
    try FileIO.replace(file(name), with: Array(text.utf8), mode: 0o600)
  }

  func remove(_ name: String) { _ = unsafe unlink(file(name)) }

  /// What a process that is killed now leaves behind.
  func image() throws -> Scratch {
    let image = try Scratch()
    for name in names where !name.hasSuffix("-shm") {
      let bytes = try FileIO.read(file(name), bytesMax: 1 << 30)
      try FileIO.replace(image.file(name), with: bytes, mode: 0o600)
    }
    return image
  }

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
}
