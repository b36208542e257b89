/// Why evidence is refused, or why a gate is shut: the closed set. No other text leaves the
/// verifier, and the words are the same in status, log, verdict and `pmctl why`.
public enum FailureToken: String, CaseIterable, Error, Sendable {
  // Gate
  case configPlatform = "config-platform"
  case kmsgUnreadable = "kmsg-unreadable"
  case kmsgNoSNP = "kmsg-no-snp"
  case kmsgNoIsolation = "kmsg-no-isolation"
  case edgeKey = "edge-key"
  case appraiseFailed = "appraise-failed"
  case listen

  // Device
  case deviceMissing = "device-missing"
  case deviceType = "device-type"
  case deviceDriver = "device-driver"
  case deviceErrno = "device-errno"
  case deviceLength = "device-length"
  case deviceBusy = "device-busy"
  case deviceFirmware = "device-firmware"
  case deviceKeyDisabled = "device-key-disabled"
  case deviceResponse = "device-response"

  // TPM
  case tpmMissing = "tpm-missing"
  case tpmIO = "tpm-io"
  case tpmObject = "tpm-object"
  case tpmRC = "tpm-rc"
  case tpmBusy = "tpm-busy"
  case tpmResponse = "tpm-response"
  case hclStale = "hcl-stale"

  // Collateral
  case collateralMissing = "collateral-missing"
  case collateralFetch = "collateral-fetch"
  case certTable = "cert-table"

  // Document
  case docSize = "doc-size"
  case docJSON = "doc-json"
  case docFormat = "doc-format"
  case notAttested = "not-attested"
  case docPlatform = "doc-platform"
  case docMember = "doc-member"
  case chainCount = "chain-count"
  case nonce
  case tlsKey = "tls-key"
  case claims

  // HCL blob
  case hclSize = "hcl-size"
  case hclMagic = "hcl-magic"
  case hclVersion = "hcl-version"
  case hclRequestType = "hcl-request-type"
  case hclDataVersion = "hcl-data-version"
  case hclReportType = "hcl-report-type"
  case hclHash = "hcl-hash"
  case hclVarSize = "hcl-var-size"
  case hclDataSize = "hcl-data-size"
  case runtimeHash = "runtime-hash"
  case runtimeJSON = "runtime-json"
  case ak
  case userData = "user-data"

  // Quote
  case quoteSig = "quote-sig"
  case quoteMagic = "quote-magic"
  case quoteNonce = "quote-nonce"
  case quoteSelect = "quote-select"
  case quoteParse = "quote-parse"
  case quotePCR = "quote-pcr"

  // Report
  case size
  case version
  case sigAlgo = "sig-algo"
  case policyMBO = "policy-mbo"
  case policyMBZ = "policy-mbz"
  case keyinfoMBZ = "keyinfo-mbz"
  case signingKey = "signing-key"
  case reserved
  case sigRange = "sig-range"
  case signerKind = "signer-kind"
  case reportSig = "report-sig"
  case fmsProduct = "fms-product"
  case tcbMBZ = "tcb-mbz"
  case tcbCert = "tcb-cert"
  case chipMasked = "chip-masked"
  case chipID = "chip-id"
  case tcbOrder = "tcb-order"
  case reportData = "report-data"

  // Certificates
  case certParse = "cert-parse"
  case arkPin = "ark-pin"
  case arkAlg = "ark-alg"
  case arkRSA = "ark-rsa"
  case arkIssuer = "ark-issuer"
  case arkSig = "ark-sig"
  case arkTime = "ark-time"
  case askAlg = "ask-alg"
  case askRSA = "ask-rsa"
  case askIssuer = "ask-issuer"
  case askSig = "ask-sig"
  case askTime = "ask-time"
  case askCA = "ask-ca"
  case askCN = "ask-cn"
  case vekAlg = "vek-alg"
  case vekRSA = "vek-rsa"
  case vekIssuer = "vek-issuer"
  case vekSig = "vek-sig"
  case vekTime = "vek-time"
  case vekCN = "vek-cn"
  case vekKey = "vek-key"

  // Extensions
  case extMissing = "ext-missing"
  case extDup = "ext-dup"
  case extInt = "ext-int"
  case extStr = "ext-str"
  case extStruct = "ext-struct"
  case extProduct = "ext-product"
  case extSpare = "ext-spare"
  case extHWID = "ext-hwid"
  case extCSP = "ext-csp"

  // Policy
  case debug
  case migrateMA = "migrate-ma"
  case vmpl
  case productMilan = "product-milan"
  case tcbFloor = "tcb-floor"
  case fwFloor = "fw-floor"
  case mitigation
  case platformInfo = "platform-info"
  case idKey = "id-key"
  case measurement
  case pcr
  case chip
  case csp

  // Client
  case webPKI = "web-pki"
  case claimsExpected = "claims-expected"
  case crlMissing = "crl-missing"
  case crlSig = "crl-sig"
  case crlTime = "crl-time"
  case crlRevoked = "crl-revoked"
  case connect
  case tls
  case httpStatus = "http-status"
  case redirect

  /// True if it may heal by itself, so that the gate is tried again. A certificate out of its time
  /// counts, because the clock may not be set yet.
  public var isRetryable: Bool {
    switch self {
    case .appraiseFailed, .listen, .deviceBusy, .tpmIO, .tpmBusy, .hclStale, .collateralMissing,
      .collateralFetch, .arkTime, .askTime, .vekTime:
      true
    default: false
    }
  }
}
