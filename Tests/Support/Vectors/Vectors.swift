public import PMJSON
public import PMSystem

/// The folder of attestation vectors.
public enum Vectors {
  /// The folder; nil if there is none.
  public static let root: String? = find()
  public static var exist: Bool { root != nil }
  /// What a skipped suite says.
  public static let missing = "no vectors: neither PM_VECTORS nor ../shared/vectors is a folder"

  private static func find() -> String? {
    if let named = Environment.value("PM_VECTORS") { return named }
    // This file is four folders below the project root.
    let project = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let usual = "/\(project)/../shared/vectors"
    return (try? Folder(usual)) == nil ? nil : usual
  }

  /// The bytes of a file below the folder.
  public static func file(_ path: String) throws -> [UInt8] {
    guard let root else { throw VectorError.noFolder }
    return try FileIO.read("\(root)/\(path)", bytesMax: 1 << 20)
  }

  /// A file of JSON below the folder.
  public static func json(_ path: String) throws -> JSONValue {
    try JSONReader.read(try file(path), allowsComments: false)
  }

  /// The names in a folder that holds one folder for each vector, in order.
  public static func names(in folder: String) -> [String] {
    guard let root, let names = try? Folder("\(root)/\(folder)").names(countMax: 1000) else {
      return []
    }
    return names.filter { !$0.hasPrefix(".") && !$0.hasPrefix("LICENSE") }.sorted()
  }

  /// The genuine ones.
  public static let real: [Vector] = all(in: "real")
  /// Those under roots of our own.
  public static let synthetic: [Vector] = all(in: "synthetic/cases")

  private static func all(in folder: String) -> [Vector] {
    names(in: folder).map { Vector(path: "\(folder)/\($0)") }
  }
}

public enum VectorError: Error {
  case noFolder
  case noMember
}

/// One vector. Its files are read when they are asked for.
public struct Vector: Sendable, CustomStringConvertible {
  /// Below the folder of vectors.
  public let path: String
  public init(path: String) { self.path = path }

  /// The last part of the path.
  public var description: String { path.split(separator: "/").last.map(String.init) ?? path }

  public func file(_ name: String) throws -> [UInt8] { try Vectors.file("\(path)/\(name)") }

  public func meta() throws -> JSONValue { try Vectors.json("\(path)/meta.json") }

  /// A text of `meta.json` that must be there.
  public func text(_ name: String) throws -> String {
    guard let text = try meta()[name]?.string else { throw VectorError.noMember }
    return text
  }

  /// The clock of the verification.
  public func time() throws -> WallTime {
    guard let time = WallTime(rfc3339: try text("at")) else { throw VectorError.noMember }
    return time
  }

  /// VEK, intermediate and root, as far as `meta.json` names them.
  public func chain() throws -> [[UInt8]] {
    try (try meta()["chain"]?.array ?? []).compactMap(\.string).map { try file($0) }
  }
}
