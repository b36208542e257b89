internal import PMCrypto
internal import PMJSON

/// The members of an object, each of which must be there and canonical, or `doc-member`.
struct DocumentMembers {
  private let object: JSONObject
  init(_ object: JSONObject) { self.object = object }

  func has(_ name: String) -> Bool { object[name] != nil }

  func object(_ name: String) throws(FailureToken) -> DocumentMembers {
    guard let inner = object[name]?.object else { throw .docMember }
    return DocumentMembers(inner)
  }

  /// Lower-case digits of exactly `count` bytes.
  func hex(_ name: String, count: Int) throws(FailureToken) -> [UInt8] {
    try Self.hex(object[name], count: count)
  }

  func hexList(_ name: String, count: Int) throws(FailureToken) -> [[UInt8]] {
    var list: [[UInt8]] = []
    for value in try values(name) { list.append(try Self.hex(value, count: count)) }
    return list
  }

  /// Base64 of as many bytes as `lengths` allows.
  func base64(_ name: String, _ lengths: ClosedRange<Int>) throws(FailureToken) -> [UInt8] {
    try Self.base64(object[name], lengths)
  }

  func base64List(
    _ name: String, _ lengths: ClosedRange<Int>
  ) throws(FailureToken) -> [[UInt8]] {
    var list: [[UInt8]] = []
    for value in try values(name) { list.append(try Self.base64(value, lengths)) }
    return list
  }

  private func values(_ name: String) throws(FailureToken) -> [JSONValue] {
    guard let values = object[name]?.array else { throw .docMember }
    return values
  }

  private static func hex(_ value: JSONValue?, count: Int) throws(FailureToken) -> [UInt8] {
    guard let text = value?.string, let bytes = Hex.canonicalBytes(text), bytes.count == count
    else { throw .docMember }
    return bytes
  }

  private static func base64(
    _ value: JSONValue?, _ lengths: ClosedRange<Int>
  ) throws(FailureToken) -> [UInt8] {
    guard let text = value?.string, let bytes = Base64.bytes(text), lengths.contains(bytes.count)
    else { throw .docMember }
    return bytes
  }
}
