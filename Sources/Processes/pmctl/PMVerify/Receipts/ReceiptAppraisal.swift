public import PMAttest
internal import PMCrypto
public import PMJSON
internal import PMWire

/// What a receipt is worth: all that can be checked without asking anybody.
///
/// Method: the receipt must be in its one form and signed; what it says of the request must be what
/// the row in it says; the row must give the head that the receipt names; the cost must follow from
/// the row and the price. That the key is an appliance's own is shown by evidence that verifies and
/// whose claims name it. What it does not show: that the vendor counted right, and that rows before
/// this one are unchanged, for which the ledger itself must be walked.
public struct ReceiptAppraisal: Sendable {
  public enum Check: String, CaseIterable, Sendable {
    case form, signature, row, link, price, evidence, key, heads, vendor
  }

  public struct Answer: Equatable, Sendable {
    public let check: Check
    public let state: Factor.State
    /// What was seen, in a few words; without control characters.
    public let detail: String
  }

  public enum Verdict: String, Sendable {
    case proven
    /// Nothing is wrong, but nothing shows whose key it is.
    case notProven = "not-proven"
    case rejected
  }

  public private(set) var answers: [Answer] = []
  /// Nil if the bytes are no receipt.
  public let receipt: JSONObject?
  private let evidence: Appraisal?

  /// Judges the bytes of a file by themselves, and by a verdict on evidence if there is one.
  public init(_ bytes: [UInt8], evidence: Appraisal?) {
    self.evidence = evidence
    let document = ReceiptDocument(bytes)
    receipt = document?.receipt
    guard let document, let receipt, receipt["version"]?.integer == ReceiptForm.version,
      let row = receipt["ledger"]?["row"]?.object
    else {
      answer(.form, .fail, "no canonical JSON of a receipt of version \(ReceiptForm.version)")
      for check in Check.allCases.dropFirst() { answer(check, .skip, "") }
      return
    }
    answer(.form, .pass, PrintableText.of(receipt["request_id"]?.string ?? ""))
    checkSignature(document)
    checkRow(receipt, row)
    checkLink(receipt["ledger"]?.object ?? [:], row)
    checkPrice(receipt, row)
    checkEvidence()
    checkClaims(document, receipt)
  }

  private mutating func answer(_ check: Check, _ state: Factor.State, _ detail: String) {
    answers.append(Answer(check: check, state: state, detail: detail))
  }

  private mutating func judge(_ check: Check, _ isRight: Bool, _ detail: String, _ fault: String) {
    answer(check, isRight ? .pass : .fail, isRight ? detail : fault)
  }

  // MARK: By itself

  private mutating func checkSignature(_ document: ReceiptDocument) {
    let key = Ed25519PublicKey(hex: document.publicKey)
    let signature = Hex.canonicalBytes(document.signature)
    let isRight = signature.flatMap { key?.verifies($0, of: document.signedBytes) } ?? false
    judge(
      .signature, isRight, "Ed25519, key \(PrintableText.of(document.publicKey))",
      "not of the key in it")
  }

  private mutating func checkRow(_ receipt: JSONObject, _ row: JSONObject) {
    let statement = ReceiptForm.statement(of: row)?.canonical
    let wrong = statement?.members.first { receipt[$0.name] != $0.value }?.name
    judge(
      .row, statement != nil && wrong == nil, "the ledger says what the receipt says",
      "the row of the ledger says something else of \(wrong ?? "the request")")
  }

  private mutating func checkLink(_ ledger: JSONObject, _ row: JSONObject) {
    guard let index = ledger["index"]?.integer, index >= 1, row["row"]?.integer == index,
      let id = Self.digest(ledger["id"]), let previous = Self.digest(ledger["previous_head"]),
      let head = Self.digest(ledger["head"]), index > 1 || previous == id
    else { return answer(.link, .fail, "its place in the chain is none") }
    let linked = Digest256(
      hashing: (previous.bytes + Array(JSONValue.object(row).canonicalText.utf8)).span)
    judge(.link, linked == head, "row \(index) of the ledger", "the row does not give that head")
  }

  private mutating func checkPrice(_ receipt: JSONObject, _ row: JSONObject) {
    let price = receipt["price"]?.object
    let tariff = price.flatMap(Tariff.init)
    let isOfRow = row["price"]?.integer == (price == nil ? 0 : price?["price"]?.integer)
    let isRight =
      (tariff != nil || receipt["price"]?.isNull == true) && isOfRow
      && ReceiptForm.isCharged(row, by: tariff)
    let cost = row["cost_nano_euro"]?.integer.map { "\($0) nano-euro" } ?? "unpriced"
    judge(.price, isRight, cost, "the cost does not follow from counts and price")
  }

  // MARK: By evidence

  private mutating func checkEvidence() {
    switch evidence?.verdict {
    case nil: answer(.evidence, .notProven, "none was given")
    case .proven, .savedEvidenceValid: answer(.evidence, .pass, evidence?.conclusion ?? "")
    case .rejected, .unreachable: answer(.evidence, .fail, evidence?.conclusion ?? "")
    }
  }

  /// Claims count only with evidence that verifies.
  private var claims: Claims? {
    answers.last { $0.check == .evidence }?.state == .pass ? evidence?.claims : nil
  }

  private mutating func checkClaims(_ document: ReceiptDocument, _ receipt: JSONObject) {
    guard let claims else {
      for check in [Check.key, .heads, .vendor] { answer(check, .notProven, "no valid evidence") }
      return
    }
    guard let accounts = claims.accounts else {
      answer(.key, .notProven, "the evidence names no key of receipts")
      answer(.heads, .notProven, "the evidence names no ledger")
      return checkVendor(claims, receipt)
    }
    judge(
      .key, accounts.receiptKey.hex == document.publicKey, "the one that the machine claims",
      "the machine claims \(accounts.receiptKey.hex)")
    checkHeads(accounts.heads?.ledger, receipt["ledger"]?.object ?? [:])
    checkVendor(claims, receipt)
  }

  /// The chain as it was when the evidence's gate ran, against the row's place in it.
  private mutating func checkHeads(_ claimed: AccountClaims.Head?, _ ledger: JSONObject) {
    guard let claimed, let index = ledger["index"]?.integer else {
      return answer(.heads, .notProven, "the evidence names no ledger")
    }
    let end = "row \(claimed.rows) was the last when the machine was appraised"
    func judgeLink(_ name: String) {
      judge(.heads, Self.digest(ledger[name]) == claimed.head, end, "another row was there")
    }
    switch index - claimed.rows {
    case 0: judgeLink("head")
    case 1: judgeLink("previous_head")
    case 2...: answer(.heads, .notProven, "\(end), and this one came later")
    default:
      answer(.heads, .notProven, "\(end); whether its chain holds this row: pmctl ledger verify")
    }
  }

  private mutating func checkVendor(_ claims: Claims, _ receipt: JSONObject) {
    let claimed = claims.object["vendor"]?["privatemode-proxy"]?.string
    let isSame = claimed != nil && receipt["vendor_sha256"]?.string == claimed
    answer(
      .vendor, isSame ? .pass : .notProven,
      isSame ? "the program that the machine claims" : "not the program of the evidence")
  }

  private static func digest(_ value: JSONValue?) -> Digest256? {
    value?.string.flatMap(Hex.canonicalBytes).flatMap { Digest256($0.span) }
  }

  // MARK: Verdict

  public var verdict: Verdict {
    if answers.contains(where: { $0.state == .fail }) { return .rejected }
    let passed = answers.filter { $0.state == .pass }.map(\.check)
    return passed.contains(.evidence) && passed.contains(.key) ? .proven : .notProven
  }

  /// The verdict as one object, for programs.
  public var json: JSONObject {
    [
      "verdict": .string(verdict.rawValue),
      "checks": .array(
        answers.map {
          [
            "name": .string($0.check.rawValue), "state": .string($0.state.rawValue),
            "detail": .string($0.detail),
          ]
        }),
      "receipt": receipt.map { PrintableText.of(.object($0)) } ?? .null,
    ]
  }

  /// One line for each check, and what it all comes to.
  public var lines: [String] {
    answers.map { answer in
      let columns = [(answer.state.rawValue, 12), (answer.check.rawValue, 16)].map { text, width in
        text + String(repeating: " ", count: max(1, width - text.utf8.count))
      }
      return columns.joined() + answer.detail
    } + ["", conclusion]
  }

  private var conclusion: String {
    switch verdict {
    case .proven: "PROVEN: the key of a machine whose evidence is valid has signed this receipt."
    case .notProven:
      "NOT PROVEN: nothing is wrong with this receipt, but whose key has signed it is not shown."
    case .rejected: "REJECTED: this is no receipt to rely on."
    }
  }
}
