import PMCrypto
import PMJSON
import PMStore
import PMWire

/// What core says of itself to the gate, which puts it into the machine's claims: who signs
/// receipts, and where the chains of the ledger end.
enum CoreDescription {
  /// One line of canonical JSON. The key is made if there is none; the heads are null if there is
  /// no ledger that this version reads.
  static func line(_ configuration: Configuration) throws -> String {
    let key = try ReceiptKey.load(stateDirectory: configuration.stateDirectory)
    let path = "\(configuration.stateDirectory)/\(LedgerSchema.fileName)"
    let heads = try? LedgerHeads(Database(path: path, .readOnly))
    let description: JSONValue = [
      "heads": ["audit": json(heads?.audit), "ledger": json(heads?.ledger)],
      "receipt_key": .string(key.publicKey.hex),
    ]
    return description.canonicalText + "\n"
  }

  private static func json(_ head: ChainHead?) -> JSONValue {
    guard let head else { return .null }
    return ["head": .string(head.head.hex), "rows": .integer(head.rows)]
  }
}
