import PMSystem

/// A model's name as a number; the ledger holds the names once.
struct ModelIndex: Hashable, Sendable {
  let row: Int32
  /// Stands for every name that is not in the table.
  static let unlisted = ModelIndex(row: 0)
}

/// The names of models that were ever seen in a list of ours or the vendor's. Names that only a
/// client uttered never enter, so the table is bounded and its contents may be logged.
final class ModelTable {
  /// Far more models than the vendor has ever had.
  static let modelsMax = 1024
  static let nameBytesMax = 128
  /// Name of `ModelIndex.unlisted`.
  static let unlistedName = "unlisted"

  private var names: [String] = [unlistedName]
  private var bytes: [[UInt8]] = [[]]
  /// By a hash of the name; a second name of the same hash stays `unlisted`.
  private var rows: [UInt64: Int32] = [:]
  /// Told of each new name, so that the ledger learns it.
  var onNewName: ((Int32, String) -> Void)?

  init() {}

  /// Takes up the ledger's rows, in order from 1.
  init(names: [String]) {
    for name in names { append(name) }
  }

  var count: Int { names.count }
  var allNames: ArraySlice<String> { names.dropFirst() }

  func name(_ index: ModelIndex) -> String {
    let row = Int(index.row)
    return names.indices.contains(row) ? names[row] : Self.unlistedName
  }

  /// Finds a name without making a string; nil if it is not in the table.
  func index(of name: borrowing Span<UInt8>) -> ModelIndex? {
    guard let row = rows[Self.hash(name)], Self.isEqual(bytes[Int(row)], name) else { return nil }
    return ModelIndex(row: row)
  }

  func index(of name: String) -> ModelIndex? { index(of: Array(name.utf8).span) }

  /// Enters a name of a list of ours or the vendor's; `unlisted` if the name breaks the rule or the
  /// table is full.
  func enter(_ name: String) -> ModelIndex {
    if let index = index(of: name) { return index }
    guard Self.isName(name), names.count < Self.modelsMax else { return .unlisted }
    guard rows[Self.hash(Array(name.utf8).span)] == nil else { return .unlisted }
    append(name)
    let row = Int32(names.count - 1)
    onNewName?(row, name)
    return ModelIndex(row: row)
  }

  private func append(_ name: String) {
    let text = Array(name.utf8)
    rows[Self.hash(text.span)] = Int32(names.count)
    names.append(name)
    bytes.append(text)
  }

  /// The rule for names: 1 to 128 characters that need no escaping in a log, a table or a URL path.
  static func isName(_ name: String) -> Bool {
    let text = name.utf8
    return (1...nameBytesMax).contains(text.count) && name != unlistedName
      && text.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."),
          UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "@"):
          true
        default: false
        }
      }
  }

  /// FNV-1a, 64 bits: the names come from lists that we chose, so nobody steers collisions.
  private static func hash(_ bytes: borrowing Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
    return hash
  }

  private static func isEqual(_ a: [UInt8], _ b: borrowing Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    for index in b.indices where a[index] != b[index] { return false }
    return true
  }
}
