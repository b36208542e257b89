/// One question that a verdict answers, and how it was answered.
public struct Factor: Equatable, Sendable {
  /// The questions, in the order in which they are told.
  public enum Name: String, CaseIterable, Sendable {
    case connection
    case webPKI = "web-pki"
    case document
    case fresh
    case tlsKey = "tls-key"
    case amdRoot = "amd-root"
    case amdSignature = "amd-signature"
    case chipAndTCB = "chip-and-tcb"
    case paravisor, quote
    case guestPolicy = "guest-policy"
    case firmwareLevel = "firmware-level"
    case product, measurement
    case bootChain = "boot-chain"
    case claims, machine, revocation, location
  }

  /// Only `pass` counts as passed, in every sum.
  public enum State: String, CaseIterable, Sendable {
    /// Checked, and true.
    case pass = "PASS"
    /// Checked, and false.
    case fail = "FAIL"
    /// Not checked: nobody asked, something was missing, or an earlier check failed.
    case skip = "SKIP"
    /// The evidence cannot show it, or nobody said what to expect.
    case notProven = "NOT PROVEN"
  }

  public let name: Name
  public internal(set) var state: State
  /// Why it failed; the first reason where there are several.
  public internal(set) var token: FailureToken?
  /// What was seen, in a few words; without control characters.
  public internal(set) var detail: String
}

/// The factors of one verification.
struct FactorTable: Sendable {
  private(set) var factors: [Factor] = Factor.Name.allCases.map {
    Factor(name: $0, state: .skip, token: nil, detail: "")
  }

  /// A failed factor stays failed.
  mutating func set(_ name: Factor.Name, _ state: Factor.State, _ detail: String = "") {
    change(name) { factor in
      guard factor.state != .fail else { return }
      (factor.state, factor.detail) = (state, detail)
    }
  }

  mutating func pass(_ name: Factor.Name, _ detail: String = "") { set(name, .pass, detail) }

  /// Fails every factor that `token` speaks against. What the factor has seen stays to be read.
  mutating func fail(_ token: FailureToken) {
    for name in Factor.Name.allCases where name.isRefuted(by: token) {
      change(name) { factor in
        factor.state = .fail
        factor.token = factor.token ?? token
      }
    }
  }

  subscript(_ name: Factor.Name) -> Factor.State {
    factors.first { $0.name == name }?.state ?? .skip
  }

  private mutating func change(_ name: Factor.Name, _ body: (inout Factor) -> Void) {
    for index in factors.indices where factors[index].name == name { body(&factors[index]) }
  }
}

extension Factor.Name {
  /// Whether a failure with this token makes the factor false.
  func isRefuted(by token: FailureToken) -> Bool { Self.refuted(by: token).contains(self) }

  /// Tokens of a machine's own devices speak against none: no evidence came about.
  private static func refuted(by token: FailureToken) -> [Factor.Name] {
    switch token {
    case .connect, .tls, .httpStatus, .redirect: [.connection]
    case .webPKI: [.webPKI]
    case .docSize, .docJSON, .docFormat, .notAttested, .docPlatform, .docMember, .chainCount,
      .claims:
      [.document]
    case .nonce, .quoteNonce: [.fresh]
    case .tlsKey, .userData: [.tlsKey]
    case .reportData: [.fresh, .tlsKey]
    case .certParse, .arkPin, .arkAlg, .arkRSA, .arkIssuer, .arkSig, .arkTime, .askAlg, .askRSA,
      .askIssuer, .askSig, .askTime, .askCA, .askCN, .vekAlg, .vekRSA, .vekIssuer, .vekSig,
      .vekTime, .vekCN, .vekKey, .extMissing, .extDup, .extInt, .extStr, .extStruct, .extProduct,
      .extSpare, .extHWID, .extCSP:
      [.amdRoot]
    case .size, .version, .sigAlgo, .policyMBO, .policyMBZ, .keyinfoMBZ, .signingKey, .reserved,
      .sigRange, .signerKind, .reportSig:
      [.amdSignature]
    case .fmsProduct, .tcbMBZ, .tcbCert, .chipMasked, .chipID, .tcbOrder: [.chipAndTCB]
    case .hclSize, .hclMagic, .hclVersion, .hclRequestType, .hclDataVersion, .hclReportType,
      .hclHash, .hclVarSize, .hclDataSize, .runtimeHash, .runtimeJSON, .ak, .idKey:
      [.paravisor]
    case .quoteSig, .quoteMagic, .quoteSelect, .quoteParse, .quotePCR: [.quote]
    case .debug, .migrateMA, .vmpl: [.guestPolicy]
    case .tcbFloor, .fwFloor, .mitigation, .platformInfo: [.firmwareLevel]
    case .productMilan: [.product]
    case .measurement: [.measurement]
    case .pcr: [.bootChain]
    case .claimsExpected: [.claims]
    case .chip, .csp: [.machine]
    case .crlMissing, .crlSig, .crlTime, .crlRevoked: [.revocation]
    case .configPlatform, .kmsgUnreadable, .kmsgNoSNP, .kmsgNoIsolation, .edgeKey,
      .appraiseFailed, .listen, .deviceMissing, .deviceType, .deviceDriver, .deviceErrno,
      .deviceLength, .deviceBusy, .deviceFirmware, .deviceKeyDisabled, .deviceResponse,
      .tpmMissing, .tpmIO, .tpmObject, .tpmRC, .tpmBusy, .tpmResponse, .hclStale,
      .collateralMissing, .collateralFetch, .certTable:
      []
    }
  }
}
