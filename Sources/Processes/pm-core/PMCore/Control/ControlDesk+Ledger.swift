import PMCrypto
import PMJSON
import PMStore
import PMWire

extension ControlDesk {
  /// Walks both chains, past the links that this process has written and one that the caller kept:
  /// `row` and `head` of the ledger's.
  func verifyLedger(
    _ query: ControlQuery, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    var known = ledger.heads.map { [$0.ledger] } ?? []
    if let kept = try keptLink(query) { known.append(kept) }
    let (links, audit) = (known, ledger.heads.map { [$0.audit] } ?? [])
    ask(reply, of: verifier) { (database) throws(StoreError) in
      .ok(try LedgerVerification(database, links: links, audit: audit).json)
    }
  }

  private func keptLink(_ query: ControlQuery) throws(CoreControl.Fault) -> ChainHead? {
    guard query["row"] != nil || query["head"] != nil else { return nil }
    guard let row = query["row"].flatMap({ Int64($0) }), row >= 0 else {
      throw CoreControl.Fault("row", .wrongType)
    }
    guard let head = query["head"].flatMap({ Digest256(hex: $0) }) else {
      throw CoreControl.Fault("head", .wrongType)
    }
    return ChainHead(rows: row, head: head)
  }
}

extension LedgerVerification {
  fileprivate var json: JSONValue {
    [
      "id": .string(origin.hex), "is_sound": .bool(ledger.fault == nil && audit.fault == nil),
      "ledger": ledger.json, "audit": audit.json,
    ]
  }
}

extension LedgerVerification.Finding {
  fileprivate var json: JSONValue {
    [
      "rows": .integer(walked.rows), "head": .string(walked.head.hex),
      "fault": fault.map {
        [
          "what": .string($0.what.rawValue), "first": .integer($0.rows.lowerBound),
          "last": .integer($0.rows.upperBound),
        ]
      } ?? .null,
    ]
  }
}
