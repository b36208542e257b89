import Glibc
import PMSystem

/// A folder of one test below `/tmp`, gone with it.
public final class Scratch {
  public let path: String

  public init() throws {
    path = "/tmp/pm-test-\(UInt64.random(in: .min ... .max))"
    try FileIO.makeFolder(path, mode: 0o700)
  }

  deinit {
    for name in names { remove(name) }
    _ = unsafe rmdir(path)
  }

  public func file(_ name: String) -> String { "\(path)/\(name)" }

  public func write(_ text: String, to name: String) throws {
    try FileIO.replace(file(name), with: Array(text.utf8), mode: 0o600)
  }

  public func copy(_ from: String, to: String) throws {
    try FileIO.replace(file(to), with: try bytes(of: from), mode: 0o600)
  }

  public func remove(_ name: String) { _ = unsafe unlink(file(name)) }

  /// What a process that is killed now leaves behind.
  public func image() throws -> Scratch {
    let image = try Scratch()
    for name in names where !name.hasSuffix("-shm") {
      try FileIO.replace(image.file(name), with: try bytes(of: name), mode: 0o600)
    }
    return image
  }

  private func bytes(of name: String) throws -> [UInt8] {
    try FileIO.read(file(name), bytesMax: 1 << 30)
  }

  public var names: [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      // d_name is terminated within the entry.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
