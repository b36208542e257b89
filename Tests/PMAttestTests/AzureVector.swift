import COpenSSL
import PMCrypto
import PMJSON
import PMSystem
import Vectors

@testable import PMAttest

/// The parts of an Azure vector below a document, each of which a test may change.
struct AzureVector {
  var evidence: AzureEvidence
  var chain: [[UInt8]]
  var userData: [UInt8]
  var extraData: [UInt8]
  var anchors: TrustAnchors
  var time: WallTime

  static let all: [Vector] = (Vectors.real + Vectors.synthetic).filter {
    (try? $0.text("kind")) == "azure"
  }
  static let accepted: [Vector] = all.filter { (try? $0.text("expect")) == "accept" }

  init(_ vector: Vector) throws {
    let pcrs = try JSONReader.read(try vector.file("pcrs.json")).array ?? []
    evidence = AzureEvidence(
      hcl: try vector.file("hcl.bin"), quote: try vector.file("quote.msg"),
      signature: try vector.file("quote.sig"), pcrs: pcrs.compactMap(\.string).compactMap(Hex.bytes)
    )
    chain = try vector.chain()
    // Refused ones do not name it: their user-data is zero or never looked at.
    userData =
      try vector.meta()["user_data"]?.string.flatMap(Hex.bytes) ?? .init(repeating: 0, count: 64)
    let nonce = String(decoding: try vector.file("nonce.hex"), as: UTF8.self)
    extraData = try vector.hex(String(nonce.prefix { $0.isHexDigit }))
    anchors = try vector.text("roots") == "amd" ? .amd : .synthetic()
    time = try vector.time()
  }

  func examine(_ rules: Rules = Rules()) throws -> Examination {
    var examination = Examination(
      Verifier(anchors: anchors, at: time, rules: rules), on: .gate)
    try examination.examine(evidence, chain: chain, userData: userData, extraData: extraData)
    return examination
  }

  var verdict: String { PMAttestTests.verdict { _ = try examine() } }

  func with(_ edit: (inout AzureVector) throws -> Void) rethrows -> AzureVector {
    var copy = self
    try edit(&copy)
    return copy
  }

  /// The quote with a fresh signature of the test key.
  func signedAgain() throws -> AzureVector {
    try with { $0.evidence.signature = try quoteSignature($0.evidence.quote) }
  }
}

extension Vector {
  func hex(_ text: String) throws -> [UInt8] {
    guard let bytes = Hex.bytes(text) else { throw VectorError.noMember }
    return bytes
  }
}

/// RSASSA-PKCS1-v1_5 with SHA-256 by the test key that plays a TPM's.
func quoteSignature(_ message: [UInt8]) throws -> [UInt8] {
  let der = try Vectors.file("synthetic/keys/tpm-ak.key.der")
  // The functions read and write within the counts, and the key lives until the end.
  let key = unsafe der.withUnsafeBufferPointer { buffer in
    var position = buffer.baseAddress
    return unsafe d2i_AutoPrivateKey(nil, &position, buffer.count)
  }
  guard let key = unsafe key, let context = unsafe EVP_MD_CTX_new() else {
    throw VectorError.noMember
  }
  defer {
    unsafe EVP_MD_CTX_free(context)
    unsafe EVP_PKEY_free(key)
  }
  var signature = [UInt8](repeating: 0, count: 256)
  var count = signature.count
  guard unsafe EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
    unsafe EVP_DigestSign(context, &signature, &count, message, message.count) == 1
  else { throw VectorError.noMember }
  return signature
}
