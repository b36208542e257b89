import PMCrypto
import PMJSON
import PMSystem
import Seeded
import Testing
import Vectors

@testable import PMAttest

/// A whole document, the question it answers, and the rules.
struct DocumentVector {
  var body: [UInt8]
  var nonce: Nonce
  var key: Digest256
  var anchors: TrustAnchors
  var time: WallTime
  var rules = Rules()
  var occasion = Occasion.connection(webPKI: .valid)

  static let all: [Vector] = Vectors.synthetic.filter { (try? $0.text("kind")) == "document" }
  static let accepted: [Vector] = all.filter { (try? $0.text("expect")) == "accept" }

  init(_ vector: Vector) throws {
    body = try vector.file("evidence.json")
    let digits = String(decoding: try vector.file("nonce.hex"), as: UTF8.self)
    guard let nonce = Nonce(hex: String(digits.prefix(64))) else { throw VectorError.noMember }
    self.nonce = nonce
    key = try digest(of: try vector.file("peer-spki.der"))
    anchors = try .synthetic()
    time = try vector.time()
  }

  /// The document that the recorded TPM led to.
  static func recorded() throws -> DocumentVector {
    var vector = try DocumentVector(Vector(path: "synthetic/cases/d02-azure"))
    vector.body = try Vectors.file("tpm/evidence.json")
    let inputs = try Vectors.json("tpm/exchanges.json")["inputs"]
    guard let key = inputs?["spki_sha256"]?.string.flatMap(Digest256.init),
      let nonce = inputs?["nonce"]?.string.flatMap(Nonce.init(hex:)),
      let time = inputs?["at"]?.string.flatMap(WallTime.init(rfc3339:))
    else { throw VectorError.noMember }
    (vector.key, vector.nonce, vector.time) = (key, nonce, time)
    return vector
  }

  func appraise() -> Appraisal {
    Verifier(anchors: anchors, at: time, rules: rules)
      .verify(document: body, nonce: nonce, key: key, occasion: occasion)
  }

  func with(_ edit: (inout DocumentVector) throws -> Void) rethrows -> DocumentVector {
    var copy = self
    try edit(&copy)
    return copy
  }

  /// The same with its document changed.
  func edited(_ edit: (inout EvidenceDocument) -> Void) throws -> DocumentVector {
    try with {
      var document = try EvidenceDocument($0.body)
      edit(&document)
      $0.body = document.json
    }
  }

  /// The recorded machine, whose blob is bound to other claims than these.
  func editedAzure(_ edit: (inout AzureEvidence) -> Void) throws -> DocumentVector {
    try edited { document in
      guard case .azure(var evidence) = document.body else { return }
      edit(&evidence)
      document.body = .azure(evidence)
    }
  }
}

extension Appraisal {
  func state(_ name: Factor.Name) -> Factor.State? {
    factors.first { $0.name == name }?.state
  }
}

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct VerifierTests {
  private static let snp = Vector(path: "synthetic/cases/d01-snp")
  private static let azure = Vector(path: "synthetic/cases/d02-azure")

  @Test func theVectorsAreThere() {
    #expect(DocumentVector.all.count == 11)
    #expect(DocumentVector.accepted.count == 3)
  }

  @Test(arguments: DocumentVector.all)
  func aDocumentGetsItsVerdict(_ vector: Vector) throws {
    let found = try DocumentVector(vector).appraise()
    #expect((found.token?.rawValue ?? "accept") == (try vector.text("expect")))
    #expect(found.verdict == (found.token == nil ? .proven : .rejected))
    #expect(found.unmet.isEmpty == (found.verdict == .proven))
  }

  @Test(arguments: DocumentVector.accepted, Profile.allCases)
  func aProfileSaysWhatTheVectorDoes(_ vector: Vector, _ profile: Profile) throws {
    let found = try DocumentVector(vector).with { $0.rules.profile = profile }.appraise()
    let expected = try vector.meta()["policy"]?[profile.rawValue]?["fail"]?.array
    #expect(found.failures.map(\.rawValue) == expected?.compactMap(\.string))
  }

  @Test(arguments: DocumentVector.accepted)
  func underTheRootsOfAMDNoneIsGenuine(_ vector: Vector) throws {
    #expect(try DocumentVector(vector).with { $0.anchors = .amd }.appraise().token == .arkPin)
  }

  @Test func theDocumentOfTheRecordedTPMVerifies() throws {
    let recorded = try DocumentVector.recorded()
    let found = recorded.appraise()
    #expect(found.verdict == .proven && found.failures.isEmpty && found.warnings.isEmpty)
    #expect(found.platform == .azure)
    // What a wrong clock, key, nonce or claim makes of it.
    let long = WallTime(seconds: recorded.time.seconds + 100 * 366 * 86_400)
    #expect(recorded.with { $0.time = long }.appraise().token == .arkTime)
    let other = Digest256(hashing: [1].span)
    #expect(recorded.with { $0.key = other }.appraise().token == .tlsKey)
    #expect(recorded.with { $0.nonce = .random() }.appraise().token == .nonce)
    #expect(try recorded.edited { $0.claims.append(0x20) }.appraise().token == .userData)
  }

  @Test(arguments: [snp, azure])
  func zeroAnswersNobody(_ vector: Vector) throws {
    let zero = try DocumentVector(vector).with { $0.nonce = .zero }
    #expect(zero.appraise().token == .nonce)
    #expect(try zero.edited { $0.nonce = .zero }.appraise().token == .nonce)
  }

  /// The document says that it is about our nonce and key; what is signed says otherwise.
  @Test func onlyOurOwnNonceAndKeyCount() throws {
    let other = Digest256(hashing: [1].span)
    for (vector, ofNonce, ofKey) in [
      (Self.snp, FailureToken.reportData, FailureToken.reportData),
      (Self.azure, .quoteNonce, .userData),
    ] {
      let good = try DocumentVector(vector)
      let nonce = Nonce.random()
      let asked = try good.with { $0.nonce = nonce }.edited { $0.nonce = nonce }
      #expect(asked.appraise().token == ofNonce)
      let tunnel = try good.with { $0.key = other }.edited { $0.key = other }
      #expect(tunnel.appraise().token == ofKey)
    }
  }

  @Test func aDemandedPlatformIsTheOnlyOne() throws {
    let good = try DocumentVector(Self.snp)
    #expect(good.with { $0.rules.platform = .snp }.appraise().verdict == .proven)
    #expect(good.with { $0.rules.platform = .azure }.appraise().token == .docPlatform)
  }

  /// Each step, broken together with all that come later: the first wins.
  @Test func theOrderIsThatOfTheSpecification() throws {
    let good = try DocumentVector(Self.azure)
    let steps: [(FailureToken, (DocumentVector) throws -> DocumentVector)] = [
      (.nonce, { $0.with { $0.nonce = .zero } }),
      (.tlsKey, { try $0.edited { $0.key = Digest256(hashing: [1].span) } }),
      (.hclMagic, { try $0.editedAzure { $0.hcl[0] = 0 } }),
      (.version, { try $0.editedAzure { $0.hcl[0x20] = 9 } }),
      (.certParse, { try $0.edited { $0.chain[0].append(0) } }),
      (.reportSig, { try $0.editedAzure { $0.hcl[0x20 + 0x90] ^= 1 } }),
      (.runtimeHash, { try $0.editedAzure { $0.hcl[0x4D4] ^= 1 } }),
      (.userData, { try $0.edited { $0.claims.append(0x20) } }),
      (.quoteSig, { try $0.editedAzure { $0.quote[0] ^= 1 } }),
      (.quotePCR, { try $0.editedAzure { $0.pcrs[0][0] ^= 1 } }),
    ]
    for first in steps.indices {
      let broken = try steps[first...].reversed().reduce(good) { try $1.1($0) }
      #expect(broken.appraise().token == steps[first].0)
      #expect(try steps[first].1(good).appraise().token == steps[first].0)
    }
    // Policy comes last, and a failure before it hides all of it.
    let strict = good.with { $0.rules.profile = .strict }
    #expect(strict.appraise().failures == [.tcbFloor, .fwFloor])
    #expect(try steps[9].1(strict).appraise().failures == [.quotePCR])
  }

  @Test func factorsThatWereNotReachedAreSkipped() throws {
    let good = try DocumentVector(Self.azure)
    let broken = try good.edited { $0.chain[0].append(0) }.appraise()
    #expect(broken.state(.amdRoot) == .fail)
    #expect(broken.state(.document) == .pass)
    for name in Factor.Name.allCases
    where ![.connection, .webPKI, .document, .amdRoot, .location].contains(name) {
      #expect(broken.state(name) == .skip, "\(name)")
    }
    let user = try good.edited { $0.claims.append(0x20) }.appraise()
    #expect(user.state(.tlsKey) == .fail && user.state(.fresh) == .skip)
    #expect(user.state(.amdSignature) == .pass && user.state(.chipAndTCB) == .pass)
    let nonce = Nonce.random()
    let replay = try good.with { $0.nonce = nonce }.edited { $0.nonce = nonce }.appraise()
    #expect(replay.state(.tlsKey) == .pass && replay.state(.fresh) == .fail)
    let data = try DocumentVector(Self.snp).edited { $0.claims.append(0x20) }.appraise()
    #expect(data.state(.fresh) == .fail && data.state(.tlsKey) == .fail)
  }

  @Test func aReportThatContradictsItsCertificateIsSignedAllTheSame() throws {
    var examination = try Examination(
      Verifier(anchors: .synthetic(), at: DocumentVector(Self.snp).time, rules: Rules()),
      on: .gate)
    let vector = Vector(path: "synthetic/cases/n13-other-chip")
    #expect(throws: FailureToken.chipID) {
      try examination.examine(report: try vector.file("report.bin"), chain: try vector.chain())
    }
    #expect(examination.table[.amdSignature] == .pass)
    #expect(examination.table[.chipAndTCB] == .skip)
  }

  /// A document without blanks has no byte that means nothing: the report is signed to its end, the
  /// claims are bound, and each certificate is what another has signed.
  @Test func noByteOfADocumentCanChange() throws {
    let good = try DocumentVector(Self.snp)
    var random = SeededRandom(seed: 16)
    for index in stride(from: 0, to: good.body.count, by: 5) {
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      let found = good.with { $0.body[index] ^= bit }.appraise()
      #expect(found.verdict == .rejected && found.token != nil, "byte \(index), bit \(bit)")
    }
  }

  @Test func aFloorOfTheCallersOwnIsTold() throws {
    let row = try #require(Floors.row(text: "Genoa/17/1:bl=11"))
    let found = try appraise(Self.snp) { $0.minTCB = [row.key: row.floor] }
    #expect(found.token == .tcbFloor && found.warnings == [.floorOverride])
    let line = found.lines.first { $0.contains("firmware-level") }
    #expect(line?.contains("own row: at least bl 11") == true)
    #expect(found.lines.contains { $0.hasPrefix("FLOOR-OVERRIDE: ") })
  }

  @Test func anUnknownSignerIsToldInFull() throws {
    let found = try appraise(Self.azure) { $0.idKeys = [] }
    let digest = try #require(found.report?.idKeyDigest)
    #expect(found.token == .idKey && found.state(.paravisor) == .fail)
    #expect(found.lines.contains { $0.contains(hex(digest)) && $0.hasSuffix("[id-key]") })
  }

  @Test func savedEvidenceIsNeverProven() throws {
    for vector in [Self.snp, Self.azure] {
      let saved = try DocumentVector(vector).with { $0.occasion = .saved }
      let found = saved.appraise()
      #expect(found.verdict == .savedEvidenceValid)
      #expect(found.state(.connection) == .skip && found.state(.fresh) == .notProven)
      #expect(found.state(.tlsKey) == .pass)
      #expect(found.conclusion.hasPrefix("SAVED EVIDENCE VALID"))
      #expect(saved.with { $0.nonce = .random() }.appraise().token == .nonce)
      let demanding = saved.with { $0.rules.required = [.fresh] }.appraise()
      #expect(demanding.verdict == .rejected && demanding.unmet == [.fresh])
    }
  }

  @Test func theGateNeedsNoConnection() throws {
    let found = try DocumentVector(Self.azure).with { $0.occasion = .gate }.appraise()
    #expect(found.verdict == .proven)
    #expect(found.state(.connection) == .skip && found.state(.fresh) == .pass)
  }

  @Test func whatTheSystemSaysOfTheConnectionIsAFactor() throws {
    let good = try DocumentVector(Self.snp)
    let invalid = good.with { $0.occasion = .connection(webPKI: .invalid) }.appraise()
    #expect(invalid.verdict == .rejected && invalid.token == .webPKI)
    #expect(invalid.state(.webPKI) == .fail)
    let unasked = good.with { $0.occasion = .connection(webPKI: .notChecked) }.appraise()
    #expect(unasked.verdict == .proven && unasked.state(.webPKI) == .skip)
    // The evidence's own fault is told first.
    let both = good.with {
      ($0.occasion, $0.anchors) = (.connection(webPKI: .invalid), .amd)
    }.appraise()
    #expect(both.failures == [.arkPin, .webPKI])
  }

  @Test func withoutADocumentThereIsOnlyTheConnection() throws {
    let good = try DocumentVector(Self.snp)
    let verifier = Verifier(anchors: good.anchors, at: good.time, rules: good.rules)
    for (token, isUnreachable) in [
      (FailureToken.connect, true), (.tls, true), (.httpStatus, false), (.redirect, false),
    ] {
      let found = verifier.appraisal(of: token, isUnreachable: isUnreachable)
      #expect(found.verdict == (isUnreachable ? .unreachable : .rejected))
      #expect(found.token == token && found.state(.connection) == .fail)
      #expect(found.factors.allSatisfy { $0.state != .pass })
      #expect(found.conclusion.hasPrefix(isUnreachable ? "UNREACHABLE: " : "REJECTED: "))
      #expect(found.conclusion.contains("(\(token.rawValue))"))
    }
  }

  // MARK: What is expected

  private func appraise(_ vector: Vector, _ edit: (inout Rules) throws -> Void) throws -> Appraisal
  {
    try DocumentVector(vector).with { try edit(&$0.rules) }.appraise()
  }

  @Test func withoutExpectationsTheSoftwareIsNotProven() throws {
    let found = try appraise(Self.azure) { _ in }
    for name: Factor.Name in [.measurement, .bootChain, .claims, .machine, .location] {
      #expect(found.state(name) == .notProven, "\(name)")
    }
    #expect(found.conclusion.contains("which software runs there is NOT PROVEN"))
    for name: Factor.Name in [.measurement, .bootChain, .claims, .machine, .revocation, .location] {
      let demanding = try appraise(Self.azure) { $0.required = [name] }
      #expect(demanding.verdict == .rejected && demanding.unmet == [name])
      #expect(demanding.conclusion.contains(name.rawValue))
    }
  }

  @Test func anExpectedMeasurementProvesTheSoftware() throws {
    let report = try #require(try appraise(Self.snp) { _ in }.report)
    let found = try appraise(Self.snp) {
      $0.expectations.measurements = [report.measurement]
      $0.expectations.chips = [report.chipID]
      $0.required = [.measurement, .machine]
    }
    #expect(found.verdict == .proven)
    #expect(found.state(.measurement) == .pass && found.state(.machine) == .pass)
    #expect(!found.conclusion.contains("NOT PROVEN"))
    let other = try appraise(Self.snp) { $0.expectations.measurements = [[1]] }
    #expect(other.token == .measurement && other.state(.measurement) == .fail)
  }

  @Test func expectedPCRsProveTheBootChain() throws {
    let document = try EvidenceDocument(try DocumentVector(Self.azure).body)
    guard case .azure(let evidence) = document.body else { throw VectorError.noMember }
    let found = try appraise(Self.azure) {
      $0.expectations.pcrs = [4: [evidence.pcrs[4]], 11: [evidence.pcrs[11]]]
    }
    #expect(found.verdict == .proven && found.state(.bootChain) == .pass)
    let other = try appraise(Self.azure) { $0.expectations.pcrs = [4: [evidence.pcrs[5]]] }
    #expect(other.token == .pcr && other.state(.bootChain) == .fail)
    let nothing = try appraise(Self.azure) { $0.expectations.pcrs = [4: []] }
    #expect(nothing.state(.bootChain) == .notProven)
    let bare = try appraise(Self.snp) { $0.expectations.pcrs = [4: [evidence.pcrs[4]]] }
    #expect(bare.state(.bootChain) == .notProven)
  }

  @Test func claimsAreAsStrongAsTheSoftwareThatMakesThem() throws {
    let good = try appraise(Self.snp) { _ in }
    let measurement = try #require(good.report?.measurement)
    let claims = try #require(good.claims?.object)
    let expected: JSONObject = [
      "binaries": ["pmctl": claims["binaries"]?["pmctl"] ?? nil],
      "config_sha256": claims["config_sha256"] ?? nil,
    ]
    let alone = try appraise(Self.snp) { $0.expectations.claims = expected }
    #expect(alone.verdict == .proven && alone.state(.claims) == .notProven)
    let both = try appraise(Self.snp) {
      ($0.expectations.claims, $0.expectations.measurements) = (expected, [measurement])
    }
    #expect(both.verdict == .proven && both.state(.claims) == .pass)
    for wrong: JSONObject in [
      ["config_sha256": ""], ["binaries": ["pmctl": ""]], ["binaries": ["other": ""]], ["x": nil],
    ] {
      let found = try appraise(Self.snp) {
        ($0.expectations.claims, $0.expectations.measurements) = (wrong, [measurement])
      }
      #expect(found.token == .claimsExpected && found.state(.claims) == .fail)
    }
  }

  /// A report that the test key of a Milan chip signs for a nonce, a key and claims of this moment.
  private func milan() throws -> DocumentVector {
    let vector = Vector(path: "synthetic/cases/p02-milan-v3")
    var made = try DocumentVector(Self.snp)
    (made.nonce, made.key) = (.random(), Digest256(hashing: Nonce.random().bytes.span))
    let claims = Array(#"{"v":1,"key_origin":"provided"}"#.utf8)
    var report = try vector.file("report.bin")
    report.replaceSubrange(
      0x50..<0x90, with: Binding.reportData(made.nonce, key: made.key, claims: claims))
    made.body =
      EvidenceDocument(
        nonce: made.nonce, claims: claims, key: made.key, chain: try vector.chain(),
        body: .report(try Forge.signed(report))
      ).json
    return made
  }

  @Test func evidenceOfThisMomentIsProven() throws {
    let made = try milan()
    let found = made.appraise()
    #expect(found.verdict == .proven && found.warnings == [.milanWeak])
    #expect(found.lines.contains { $0.contains("operator provided the TLS key") })
    #expect(made.with { $0.nonce = .random() }.appraise().token == .nonce)
    let strict = made.with { $0.rules.profile = .strict }.appraise()
    #expect(strict.failures == [.productMilan] && strict.state(.product) == .fail)
  }

  @Test func aListOfAMDsMayRevokeTheIntermediate() throws {
    let made = try milan()
    let now = made.time.seconds
    func token(_ serials: [Int], _ start: Int64, _ end: Int64) throws -> (FailureToken?, Bool) {
      let list = try Forge.revocationList(revoking: serials, from: start, until: end)
      let found = made.with {
        ($0.rules.revocationList, $0.rules.required) = (list, [.revocation])
      }.appraise()
      return (found.token, found.state(.revocation) == .pass && found.verdict == .proven)
    }
    #expect(try token([], now - 60, now + 60) == (nil, true))
    #expect(try token([1, 2], now - 60, now + 60) == (nil, true))
    #expect(try token([65537], now - 60, now + 60) == (.crlRevoked, false))
    #expect(try token([], now - 60, now - 1) == (.crlTime, false))
  }

  @Test func aMissingRevocationListIsToldOrRefused() throws {
    #expect(try appraise(Self.snp) { _ in }.state(.revocation) == .skip)
    let missing = try appraise(Self.snp) { $0.needsRevocationList = true }
    #expect(missing.token == .crlMissing && missing.verdict == .rejected)
    let noise = try appraise(Self.snp) { $0.revocationList = [0x30, 0] }
    #expect(noise.token == .crlSig && noise.state(.revocation) == .fail)
  }

  @Test func everythingBeyondGenuinenessIsToldAtOnce() throws {
    let found = try appraise(Self.snp) {
      ($0.profile, $0.needsRevocationList) = (.strict, true)
      $0.expectations.claims = ["x": 1]
      $0.expectations.measurements = [[1]]
    }
    #expect(found.failures == [.tcbFloor, .fwFloor, .measurement, .claimsExpected, .crlMissing])
    #expect(found.token == .tcbFloor)
  }
}
