import PMCrypto
import PMJSON
import PMStore
import PMSystem
import PMWire

/// Hands out receipts: what the ledger's file says of a request, signed when it is asked for.
final class ReceiptDesk {
  private let accounts: Accounts
  private let key: Ed25519Key
  private let vendor: String?
  private let reader: LedgerReader
  /// Nil if contents are not hashed.
  private let digests: ContentDigests?
  private unowned let loop: EventLoop
  private var alarm: Alarm?
  private var isAlarmSet = false

  /// What the ledger knows of a request.
  private enum Finding: Sendable {
    case ended(ChainLink, ledgerID: Digest256)
    /// Of the key with that row.
    case underWay(key: Int64)
    case unknown
  }

  private enum Reply {
    case receipt(String)
    case refused(APIError)
  }

  init(
    _ accounts: Accounts, _ configuration: Configuration, in loop: EventLoop
  ) throws(SystemError) {
    self.accounts = accounts
    self.loop = loop
    key = try ReceiptKey.load(stateDirectory: configuration.stateDirectory)
    vendor = configuration.vendor.sha256
    reader = try LedgerReader(path: accounts.ledgerPath, loop: loop)
    digests = configuration.receipts.hasContentDigests ? ContentDigests() : nil
    let alarm = Alarm { [unowned self] in forget() }
    self.alarm = alarm
    try loop.add(alarm)
  }

  // MARK: Contents

  /// What a call hashes with; nil if contents are not hashed.
  func beginDigest() -> ContentDigest? { digests?.begin() }

  /// The call has ended.
  func end(_ digest: ContentDigest, of id: RequestID, hasRow: Bool) {
    digests?.end(digest, of: id, hasRow: hasRow, at: loop.now)
    if !isAlarmSet { forget() }
  }

  /// Forgets what is old, and comes back when something else will be.
  private func forget() {
    guard let alarm, let next = digests?.forget(at: loop.now) else { return isAlarmSet = false }
    isAlarmSet = true
    loop.setDeadline(alarm, next)
  }

  // MARK: Receipts

  /// Answers a client that asks for the receipt of the request that `name` names. Whose request it
  /// was decides: to any other key it does not exist. `fields` go into the head of the answer.
  func answer(
    _ client: EdgeConnection, _ name: String, _ key: KeyRecord, _ fields: String,
    _ id: RequestID
  ) {
    guard let request = RequestID(Array(name.utf8).span) else {
      return client.respond(.requestIDMalformed, .openAI, id, fields: fields)
    }
    let query: LedgerReader.Query<Finding> = { (database) throws(StoreError) in
      try Self.find(request, in: database)
    }
    let isAsked = reader.ask(query) { [unowned self] result in
      switch reply(request, result, to: key) {
      case .receipt(let text):
        client.respond(200, "Cache-Control: no-store\r\n" + fields, text)
      case .refused(let error): client.respond(error, .openAI, id, fields: fields)
      }
    }
    if !isAsked { client.respond(.overloaded, .openAI, id, fields: fields) }
  }

  private static func find(
    _ id: RequestID, in database: Database
  ) throws(StoreError) -> Finding {
    // Looked for first: a request that ends meanwhile is then found as one that has.
    let open = try database.prepare("SELECT key FROM reservation WHERE id = ?1")
    try open.bind(1, blob: id.bits)
    let underWay: Int64? = try open.step() ? open.integer(0) : nil
    if let link = try ChainLink(of: id, in: database) {
      return .ended(link, ledgerID: try LedgerChain.origin(of: database))
    }
    return underWay.map { .underWay(key: $0) } ?? .unknown
  }

  private func reply(
    _ id: RequestID, _ result: Result<Finding, StoreError>, to record: KeyRecord
  ) -> Reply {
    switch result {
    case .failure: return .refused(.ledgerUnavailable)
    case .success(.unknown): return .refused(.receiptNotFound)
    case .success(.underWay(let key)):
      return .refused(key == record.row ? .receiptNotReady : .receiptNotFound)
    case .success(.ended(let link, let ledgerID)):
      guard let row = Receipt.row(of: link), row["key"]?.integer == record.row else {
        return .refused(.receiptNotFound)
      }
      return sign(link, ledgerID, row, of: record, contents: digests?.entry(of: id, at: loop.now))
    }
  }

  private func sign(
    _ link: ChainLink, _ ledgerID: Digest256, _ row: JSONObject, of record: KeyRecord,
    contents: ContentDigests.Entry?
  ) -> Reply {
    func number(_ name: String) -> Int32 { Int32(clamping: row[name]?.integer ?? 0) }
    let receipt = Receipt(
      link: link, ledgerID: ledgerID, keyID: record.details.id,
      model: accounts.models.name(ModelIndex(row: number("model"))),
      price: accounts.prices.row(numbered: number("price")),
      priceTable: accounts.prices.digest(ofTable: number("price_table")), contents: contents,
      vendor: vendor)
    guard let members = receipt.members(of: row)?.canonical,
      let signature = try? key.signature(of: ReceiptDocument.signedBytes(members).span)
    else { return .refused(.ledgerUnavailable) }
    let document = ReceiptDocument(
      members, publicKey: key.publicKey.hex, signature: Hex.text(signature.span))
    return .receipt(String(decoding: document.bytes, as: UTF8.self))
  }
}

extension PriceTable {
  /// A price of the ledger, in force or past.
  fileprivate func row(numbered number: Int32) -> PriceRow? { rows.first { $0.row == number } }

  /// The digest of a table that the ledger knows.
  fileprivate func digest(ofTable table: Int32) -> Digest256? {
    tables.first { $0.value == table }?.key
  }
}
