internal import PMAttest

/// One run of the gate as a pure state machine: which step comes next, and what the run came to.
///
/// Method: one step at a time in a fixed order, the first failure is the verdict. Only the chain of
/// certificates is looked for in several places: a chain that does not verify says nothing of the
/// machine as long as another place may have the right one.
struct GateSequence {
  enum Step: String, CaseIterable, Sendable {
    case platform, device, key, evidence, chain, appraisal
    case kernelLog = "kernel-log"
  }

  /// Where certificates are looked for.
  enum ChainSource: String, Sendable {
    /// What the host gave with the report.
    case table
    case cache
    /// Azure's metadata service, and AMD's key distribution service.
    case imds, kds
  }

  enum Effect: Equatable {
    case readKernelLog(Platform)
    case checkDevice(Platform)
    case prepareKey
    case prepareEvidence
    case lookForChain(ChainSource)
    case appraise(FoundCertificates)
    case end(FailureToken?)
  }

  private let platform: Platform?
  private let mayFetch: Bool
  private(set) var step = Step.platform
  private var sources: ArraySlice<ChainSource> = []
  /// The best of every certificate so far; what the host gives later replaces it.
  private var best = FoundCertificates()
  private var lastTried: FoundCertificates?
  /// Why the last chain was not good enough.
  private var chainToken: FailureToken?

  init(platform: Platform?, mayFetch: Bool) {
    (self.platform, self.mayFetch) = (platform, mayFetch)
  }

  /// `knowsKernel` if this boot's log was read before.
  mutating func begin(knowsKernel: Bool) -> Effect {
    guard let platform else { return .end(.configPlatform) }
    if knowsKernel { return checkDevice(platform) }
    step = .kernelLog
    return .readKernelLog(platform)
  }

  /// The step under way succeeded, or failed with a token.
  mutating func took(_ fault: FailureToken?) -> Effect {
    if let fault { return .end(fault) }
    switch step {
    case .kernelLog:
      guard let platform else { return .end(.configPlatform) }
      return checkDevice(platform)
    case .device:
      step = .key
      return .prepareKey
    case .key:
      step = .evidence
      return .prepareEvidence
    case .evidence:
      sources = Self.sources(platform, mayFetch)
      return nextSource()
    case .platform, .chain, .appraisal: return .end(.appraiseFailed)
    }
  }

  private mutating func checkDevice(_ platform: Platform) -> Effect {
    step = .device
    return .checkDevice(platform)
  }

  // MARK: Chain

  /// The metadata service may lag behind a firmware update: it is asked twice before AMD is.
  private static func sources(
    _ platform: Platform?, _ mayFetch: Bool
  ) -> ArraySlice<ChainSource> {
    switch platform {
    case .snp: mayFetch ? [.table, .cache, .kds] : [.table, .cache]
    case .azure: mayFetch ? [.cache, .imds, .imds, .kds] : [.cache]
    case nil: []
    }
  }

  private mutating func nextSource() -> Effect {
    step = .chain
    guard let source = sources.popFirst() else {
      return .end(chainToken ?? (mayFetch ? .collateralFetch : .collateralMissing))
    }
    return .lookForChain(source)
  }

  /// What the source had; certificates that it lacks are completed from those before it.
  mutating func found(_ found: FoundCertificates) -> Effect {
    best = found.completed(by: best)
    guard best.chain != nil, best != lastTried else { return nextSource() }
    lastTried = best
    step = .appraisal
    return .appraise(best)
  }

  /// What the appraisal said; nil if the evidence is good.
  mutating func appraised(_ token: FailureToken?) -> Effect {
    guard let token else { return .end(nil) }
    guard token.concernsChain, !sources.isEmpty else { return .end(token) }
    chainToken = token
    return nextSource()
  }
}

extension FailureToken {
  /// True if another chain for the same report may do better.
  fileprivate var concernsChain: Bool {
    switch self {
    // A chain of the wrong size makes a document of the wrong size.
    case .docSize, .chainCount, .docMember, .certParse, .arkPin, .arkAlg, .arkRSA, .arkIssuer,
      .arkSig, .arkTime, .askAlg, .askRSA, .askIssuer, .askSig, .askTime, .askCA, .askCN, .vekAlg,
      .vekRSA, .vekIssuer, .vekSig, .vekTime, .vekCN, .vekKey, .extMissing, .extDup, .extInt,
      .extStr, .extStruct, .extProduct, .extSpare, .extHWID, .extCSP, .signerKind, .reportSig,
      .fmsProduct, .tcbMBZ, .tcbCert, .chipID:
      true
    default: false
    }
  }
}
