import PMCrypto
import PMJSON
import PMSystem
import PMWire

/// What a receipt says of a request that has ended.
struct Receipt {
  let link: ChainLink
  /// Where the chain begins.
  let ledgerID: Digest256
  let keyID: String
  let model: String
  /// Nil if it was unpriced.
  let price: PriceRow?
  /// The digest of all prices as they were.
  let priceTable: Digest256?
  /// Nil if there is none, or none any more.
  let contents: ContentDigests.Entry?
  /// The digest that the vendor's program must have.
  let vendor: String?
}

extension Receipt {
  /// The row as an object; nil if it is none, which `ChainLink` never gives.
  static func row(of link: ChainLink) -> JSONObject? { (try? JSONReader.read(link.text))?.object }

  /// All members; nil if the row is none of ours.
  func members(of row: JSONObject) -> JSONObject? {
    guard var members = ReceiptForm.statement(of: row) else { return nil }
    members["version"] = .integer(ReceiptForm.version)
    members["key_id"] = .string(keyID)
    members["model"] = .string(model)
    members["price"] = price.map { .object($0.receiptMembers) } ?? .null
    members["price_table_sha256"] = .hex(priceTable)
    members["request_sha256"] = .hex(contents?.request)
    members["response_sha256"] = .hex(contents?.response)
    members["salt"] = contents.map { .string(Hex.text($0.salt.span)) } ?? .null
    members["vendor_sha256"] = vendor.map { .string($0) } ?? .null
    members["ledger"] = [
      "id": .hex(ledgerID), "index": .integer(link.index), "previous_head": .hex(link.previous),
      "head": .hex(link.head), "row": .object(row),
    ]
    return members
  }
}

extension PriceRow {
  fileprivate var receiptMembers: JSONObject {
    var members = tariff.json
    members["price"] = .integer(Int64(row))
    members["valid_from"] = .string(validFrom.civil.rfc3339)
    members["standing"] = .string(standing.word)
    return members
  }
}

extension JSONValue {
  fileprivate static func hex(_ digest: Digest256?) -> JSONValue {
    digest.map { .string($0.hex) } ?? .null
  }
}
