/// What a genuine report says that a caller may not want: every check is made, and all that fail
/// are told, in one order.
struct Policy: Sendable {
  let rules: Rules
  let platform: Platform

  /// A report that a chain of AMD's vouches for, and the PCRs of a verified quote.
  struct Subject {
    let report: Report
    let signer: SigningIdentity
    let levels: PlatformTCB
    /// Nil where there is no quote.
    var pcrs: [[UInt8]]?
  }

  struct Judgement: Equatable, Sendable {
    var failures: [FailureToken] = []
    var warnings: [Warning] = []
    /// The levels that were asked for, where there were any.
    var floor: TCB?
  }

  func judge(_ subject: Subject) -> Judgement {
    let report = subject.report
    var judgement = Judgement()
    func demand(_ isMet: Bool, _ token: FailureToken) {
      if !isMet { judgement.failures.append(token) }
    }
    demand(!report.policy.allowsDebugging, .debug)
    demand(!report.policy.allowsMigration, .migrateMA)
    demand(report.vmpl == 0, .vmpl)
    if subject.signer.product == .milan, rules.profile == .strict {
      // No level mends a Milan, so that none is asked for.
      demand(false, .productMilan)
    } else {
      judgeFirmware(subject, &judgement)
    }
    demand(isSignerAccepted(report), .idKey)
    let expected = rules.expectations
    demand(Self.allows(expected.measurements, report.measurement), .measurement)
    demand(arePCRsExpected(subject.pcrs), .pcr)
    demand(isChipExpected(report), .chip)
    demand(Self.allows(expected.providers, subject.signer.provider), .csp)

    if subject.signer.product == .milan, rules.profile == .baseline {
      judgement.warnings.append(.milanWeak)
    }
    if subject.levels.current != subject.levels.committed {
      judgement.warnings.append(.provisional)
    }
    return judgement
  }

  // MARK: Firmware

  private func judgeFirmware(_ subject: Subject, _ judgement: inout Judgement) {
    let (report, product, levels) = (subject.report, subject.signer.product, subject.levels)
    let key = Floors.key(of: report, product: product)
    let replacement = key.flatMap { rules.minTCB[$0] }
    let floor = replacement ?? key.flatMap { Floors.floor(for: $0, rules.profile) }
    judgement.floor = floor
    let all = [levels.reported, levels.committed, levels.current, levels.launch]
    // A processor without a row is one that nobody has looked at.
    if !(floor.map { floor in all.allSatisfy { $0.isAtLeast(floor) } } ?? false) {
      judgement.failures.append(.tcbFloor)
    }
    if rules.profile == .strict {
      let firmware = min(report.currentFirmware, report.committedFirmware)
      if !(Floors.strictFirmware(of: product).map { firmware >= $0 } ?? false) {
        judgement.failures.append(.fwFloor)
      }
      let needed = Floors.strictMitigations(of: product)
      if let launch = report.launchMitigations, let current = report.currentMitigations,
        launch & current & needed != needed
      {
        judgement.failures.append(.mitigation)
      }
    }
    if !report.platformFlags.isSuperset(of: neededFlags(report, product)) {
      judgement.failures.append(.platformInfo)
    }
    if replacement != nil { judgement.warnings.append(.floorOverride) }
  }

  private func neededFlags(_ report: Report, _ product: Product) -> PlatformFlags {
    var flags = rules.platformBits
    switch rules.profile {
    case .baseline:
      // Firmware that writes version 2 does not know of the bit.
      if report.version >= 3 { flags.insert(.aliasCheckComplete) }
    case .strict:
      flags.insert(.aliasCheckComplete)
      if product == .turin { flags.insert(.deviceWriteSafe) }
    }
    return flags
  }

  // MARK: Expectations

  /// An empty list allows everything.
  private static func allows<Item: Equatable>(_ list: [Item], _ item: Item?) -> Bool {
    list.isEmpty || (item.map(list.contains) ?? false)
  }

  /// On Azure a signer is always asked for: anybody with such a chip can imitate the blob.
  /// Elsewhere only where the caller expects one.
  private func isSignerAccepted(_ report: Report) -> Bool {
    let expected = rules.expectations.idKeys
    if !expected.isEmpty { return expected.contains(report.idKeyDigest) }
    return platform == .snp || rules.idKeys.contains(report.idKeyDigest)
  }

  /// Without a quote the evidence cannot show it; that is the factor's affair, not a failure.
  private func arePCRsExpected(_ pcrs: [[UInt8]]?) -> Bool {
    guard let pcrs else { return true }
    return rules.expectations.pcrs.allSatisfy { number, values in
      Self.allows(values, pcrs.indices.contains(number) ? pcrs[number] : nil)
    }
  }

  private func isChipExpected(_ report: Report) -> Bool {
    let id = report.chipID
    // What is behind the bytes that count is zero, in the report and so in what is expected.
    let chips = rules.expectations.chips.map { chip in
      chip + [UInt8](repeating: 0, count: max(0, id.count - chip.count))
    }
    return Self.allows(chips, id)
  }
}

extension SigningIdentity {
  /// The cloud provider of a VLEK.
  var provider: String? {
    switch owner {
    case .chip: nil
    case .provider(let name): name
    }
  }
}
