internal import PMCrypto
internal import PMJSON

/// One run of a verifier, and what it has seen so far.
struct Examination {
  let verifier: Verifier
  /// Nil if there was no document.
  let occasion: Occasion?
  private(set) var table = FactorTable()
  /// In the order in which they came up; the first is the verdict's.
  private(set) var failures: [FailureToken] = []
  private(set) var warnings: [Warning] = []
  private(set) var platform: Platform?
  /// Nil until the report is genuine.
  private(set) var subject: Policy.Subject?
  private(set) var claims: Claims?
  private var chain: CertificateChain?

  private var rules: Rules { verifier.rules }

  init(_ verifier: Verifier, on occasion: Occasion) {
    (self.verifier, self.occasion) = (verifier, occasion)
    table.set(.location, .notProven, Self.noLocation)
    switch occasion {
    case .gate: table.set(.connection, .skip, "the machine judges itself")
    case .connection: table.pass(.connection)
    case .saved:
      table.set(.connection, .skip, "saved evidence")
      table.set(.fresh, .notProven, "saved evidence")
    }
  }

  /// One that ends before there is a document.
  init(_ verifier: Verifier) {
    (self.verifier, occasion) = (verifier, nil)
    table.set(.location, .notProven, Self.noLocation)
  }

  private static let noLocation = "no report says where a machine stands"

  mutating func fail(_ token: FailureToken) {
    failures.append(token)
    table.fail(token)
  }

  // MARK: The order

  mutating func run(document bytes: [UInt8], nonce: Nonce, key: Digest256) throws(FailureToken) {
    let document = try EvidenceDocument(bytes, demanded: rules.platform)
    platform = document.platform
    guard document.nonce == nonce, !nonce.isZero else { throw .nonce }
    guard document.key == key else { throw .tlsKey }
    table.pass(.document, document.platform.rawValue)

    // From here on only the caller's own nonce and key count.
    let binding = Binding.hash(nonce, key: key, claims: document.claims)
    switch document.body {
    case .report(let report):
      let subject = try examine(report: report, chain: document.chain)
      guard subject.report.reportData == binding.bytes + key.bytes else { throw .reportData }
    case .azure(let evidence):
      try examine(
        evidence, chain: document.chain,
        userData: Binding.userData(key: key, claims: document.claims), extraData: binding.bytes)
    }
    table.pass(.tlsKey, key.hex)
    passFresh()
    let claims = try Claims(document.claims, platform: document.platform)
    self.claims = claims

    judge(on: document.platform)
    compare(claims)
    checkRevocation()
  }

  /// Steps 3 to 5: a report of the right form, a chain to an anchor, and that they belong together.
  @discardableResult
  mutating func examine(
    report bytes: [UInt8], chain der: [[UInt8]]
  ) throws(FailureToken) -> Policy.Subject {
    let report = try Report(bytes)
    let chain = try CertificateChain(der: der)
    let signer = try chain.verify(anchors: verifier.anchors, at: verifier.time)
    table.pass(.amdRoot, "ARK-\(signer.product.rawValue)")
    let levels: PlatformTCB
    do {
      levels = try report.verify(signedBy: signer)
    } catch {
      // What contradicts the certificate is signed all the same.
      if Factor.Name.chipAndTCB.isRefuted(by: error) { table.pass(.amdSignature) }
      throw error
    }
    table.pass(.amdSignature, signer.text)
    table.pass(.chipAndTCB, levels.reported.text)
    let subject = Policy.Subject(report: report, signer: signer, levels: levels, pcrs: nil)
    (self.subject, self.chain) = (subject, chain)
    return subject
  }

  /// Steps 2 to 6 on Azure: the paravisor's blob before the report in it, then what the report
  /// vouches for, and last what the TPM has signed with the key that stands there.
  mutating func examine(
    _ evidence: AzureEvidence, chain: [[UInt8]], userData: [UInt8], extraData: [UInt8]
  ) throws(FailureToken) {
    let blob = try HCLBlob(evidence.hcl)
    let genuine = try examine(report: blob.report, chain: chain)
    try blob.match(reportData: genuine.report.reportData)
    let runtime = try RuntimeData(blob.runtime)
    guard runtime.userData == userData else { throw .userData }
    table.pass(.tlsKey)
    try Quote(evidence).verify(by: runtime.attestationKey, extraData: extraData)
    table.pass(.quote, "\(evidence.pcrs.count) PCRs")
    subject?.pcrs = evidence.pcrs
  }

  private mutating func passFresh() {
    if occasion != .saved { table.pass(.fresh, "answers the nonce of this run") }
  }

  // MARK: What a caller asks beyond genuineness

  /// Step 8, for evidence that has passed all before.
  mutating func judge(on platform: Platform) {
    guard let subject else { return }
    let judgement = Policy(rules: rules, platform: platform).judge(subject)
    let (report, expected) = (subject.report, rules.expectations)
    table.pass(.guestPolicy, report.policyText)
    table.pass(.firmwareLevel, floorText(judgement))
    table.pass(.product, subject.signer.product.rawValue)
    if platform == .azure || !expected.idKeys.isEmpty {
      table.pass(.paravisor, Hex.text(report.idKeyDigest.span))
    }
    table.set(
      .measurement, expected.measurements.isEmpty ? .notProven : .pass,
      Hex.text(report.measurement.span))
    let numbers = expected.pcrs.filter { !$0.value.isEmpty }.keys.sorted()
    table.set(
      .bootChain, numbers.isEmpty || subject.pcrs == nil ? .notProven : .pass,
      numbers.isEmpty ? "" : "PCR " + numbers.map(String.init).joined(separator: ", "))
    let hasMachine = !expected.chips.isEmpty || !expected.providers.isEmpty
    table.set(
      .machine, hasMachine ? .pass : .notProven,
      subject.signer.provider ?? Hex.text(report.chipID.span))
    judgement.failures.forEach { fail($0) }
    warnings = judgement.warnings
  }

  /// A row that the caller brought is told with every verdict.
  private func floorText(_ judgement: Policy.Judgement) -> String {
    let isOwn = judgement.warnings.contains(.floorOverride)
    let source = isOwn ? "own row" : "\(rules.profile.rawValue) of \(Floors.date)"
    let floor = judgement.floor.map { "at least \($0.text)" } ?? "no floor for this processor"
    return "\(source): \(floor)"
  }

  /// Claims are as strong as the proof of which software makes them.
  private mutating func compare(_ claims: Claims) {
    let expected = JSONValue.object(rules.expectations.claims)
    if rules.expectations.claims.members.isEmpty {
      table.set(.claims, .notProven, "nothing is expected of them")
    } else if !JSONValue.object(claims.object).contains(expected) {
      fail(.claimsExpected)
    } else if isSoftwareProven {
      table.pass(.claims)
    } else {
      table.set(.claims, .notProven, "as expected, but the software that says so is not proven")
    }
  }

  private var isSoftwareProven: Bool {
    table[.measurement] == .pass || table[.bootChain] == .pass
  }

  private mutating func checkRevocation() {
    guard let chain else { return }
    guard let der = rules.revocationList else {
      if rules.needsRevocationList {
        fail(.crlMissing)
      } else {
        table.set(.revocation, .skip, "no list")
      }
      return
    }
    do {
      try RevocationList(der: der).check(chain, at: verifier.time)
      table.pass(.revocation)
    } catch {
      fail(error)
    }
  }

  // MARK: The verdict

  mutating func appraisal(isUnreachable: Bool = false) -> Appraisal {
    if case .connection(let webPKI) = occasion {
      switch webPKI {
      case .valid: table.pass(.webPKI)
      case .invalid: fail(.webPKI)
      case .notChecked: table.set(.webPKI, .skip, "not asked for")
      }
    }
    let verdict: Verdict
    var unmet: [Factor.Name] = []
    if let occasion {
      let required = occasion.required(on: platform).union(rules.required)
      verdict = Verdict(of: table.factors, required: required, on: occasion)
      unmet = Factor.Name.allCases.filter { required.contains($0) && table[$0] != .pass }
    } else {
      verdict = isUnreachable ? .unreachable : .rejected
    }
    return Appraisal(
      verdict: verdict, failures: failures, unmet: unmet, factors: table.factors,
      warnings: warnings, platform: platform, profile: rules.profile, time: verifier.time,
      subject: subject, claims: claims, url: nil)
  }
}
