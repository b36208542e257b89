public import PMCrypto
internal import PMJSON

/// Evidence as the endpoint sends it: one JSON object of hexadecimal and base64 texts.
///
/// Method: every text must be the one that its bytes are written as, so that two documents that
/// differ in a byte differ in meaning. Unknown members are ignored; a repeated name is refused at
/// every level. What the parts mean is the verifier's affair.
public struct EvidenceDocument: Equatable, Sendable {
  public static let format = "pmctl-attestation/v1"

  /// About five times the document of an Azure machine.
  public static let bytesMax = 65_536
  /// Nesting; the format itself needs 2, the rest is for members to come.
  public static let depthMax = 8
  /// VEK, ASK or ASVK, ARK.
  public static let chainCount = 3
  /// AMD's certificates have about 1500 bytes.
  static let certificateBytes = 1...4096

  public enum Body: Equatable, Sendable {
    case report([UInt8])
    case azure(AzureEvidence)
  }

  public var nonce: Nonce
  public var claims: [UInt8]
  /// SHA-256 of the TLS key's SubjectPublicKeyInfo.
  public var key: Digest256
  /// DER, each signed by the next.
  public var chain: [[UInt8]]
  public var body: Body

  public init(nonce: Nonce, claims: [UInt8], key: Digest256, chain: [[UInt8]], body: Body) {
    (self.nonce, self.claims, self.key) = (nonce, claims, key)
    (self.chain, self.body) = (chain, body)
  }

  public var platform: Platform {
    switch body {
    case .report: .snp
    case .azure: .azure
    }
  }

  // MARK: Reading

  /// Reads the bytes of an answer; `demanded` is the only platform that the caller accepts, if any.
  public init(_ bytes: [UInt8], demanded: Platform? = nil) throws(FailureToken) {
    guard (1...Self.bytesMax).contains(bytes.count) else { throw .docSize }
    guard let object = (try? JSONReader.read(bytes, depthMax: Self.depthMax))?.object else {
      throw .docJSON
    }
    guard object["format"]?.string == Self.format else { throw .docFormat }
    guard object["error"]?.string != Self.notAttested else { throw .notAttested }
    guard let name = object["platform"]?.string, let platform = Platform(rawValue: name),
      demanded == nil || demanded == platform
    else { throw .docPlatform }

    let members = DocumentMembers(object)
    let nonce = try members.hex("nonce", count: Nonce.byteCount)
    let claims = try members.base64("claims", Claims.bytesRange)
    let key = try members.hex("spki_sha256", count: Digest256.byteCount)
    let chain = try members.base64List("chain", Self.certificateBytes)
    let body = try Self.body(of: platform, members)
    guard chain.count == Self.chainCount else { throw .chainCount }
    guard let nonce = Nonce(nonce), let key = Digest256(key.span) else { throw .docMember }
    self.init(nonce: nonce, claims: claims, key: key, chain: chain, body: body)
  }

  /// One of the two members that carry evidence, that of the platform, and not the other.
  private static func body(
    of platform: Platform, _ members: DocumentMembers
  ) throws(FailureToken) -> Body {
    switch platform {
    case .snp:
      guard !members.has("azure") else { throw .docMember }
      return .report(try members.base64("report", Report.byteCount...Report.byteCount))
    case .azure:
      guard !members.has("report") else { throw .docMember }
      return .azure(try AzureEvidence(members.object("azure")))
    }
  }

  /// What the endpoint says in development, instead of evidence.
  private static let notAttested = "not-attested"

  // MARK: Writing

  /// The bytes of the answer.
  public var json: [UInt8] {
    var object: JSONObject = [
      "format": .string(Self.format),
      "platform": .string(platform.rawValue),
      "nonce": .string(nonce.hex),
      "claims": .base64(claims),
      "spki_sha256": .string(key.hex),
      "chain": .array(chain.map(JSONValue.base64)),
    ]
    switch body {
    case .report(let report): object["report"] = .base64(report)
    case .azure(let evidence): object["azure"] = .object(evidence.json)
    }
    return JSONValue.object(object).utf8
  }
}

/// What an Azure machine adds to a chain: the paravisor's blob, and a quote of its TPM.
public struct AzureEvidence: Equatable, Sendable {
  /// The longest that the format takes; a quote has about 150 bytes.
  static let quoteBytes = 64...1024
  /// RSA of 2048 to 4096 bits.
  static let signatureBytes = 256...512

  public var hcl: [UInt8]
  /// TPMS_ATTEST.
  public var quote: [UInt8]
  public var signature: [UInt8]
  /// PCR 0 to 23, 32 bytes each.
  public var pcrs: [[UInt8]]

  public init(hcl: [UInt8], quote: [UInt8], signature: [UInt8], pcrs: [[UInt8]]) {
    (self.hcl, self.quote, self.signature, self.pcrs) = (hcl, quote, signature, pcrs)
  }

  init(_ members: DocumentMembers) throws(FailureToken) {
    hcl = try members.base64("hcl", HCLBlob.bytesRange)
    quote = try members.base64("quote", Self.quoteBytes)
    signature = try members.base64("signature", Self.signatureBytes)
    pcrs = try members.hexList("pcrs", count: Quote.pcrBytes)
    guard pcrs.count == Quote.pcrCount else { throw .docMember }
  }

  var json: JSONObject {
    [
      "hcl": .base64(hcl), "quote": .base64(quote), "signature": .base64(signature),
      "pcrs": .array(pcrs.map { .string(Hex.text($0.span)) }),
    ]
  }
}

extension JSONValue {
  fileprivate static func base64(_ bytes: [UInt8]) -> JSONValue {
    .string(Base64.text(bytes.span))
  }
}
