public import PMAttest
public import PMCrypto
internal import PMJSON
public import PMWire

/// What the appraising role is asked, on its standard input: one line of JSON, then the document.
public struct AppraisalTask: Sendable {
  public let nonce: Nonce
  public let key: Digest256
  public let attestation: Attestation
  public let document: [UInt8]

  public init(nonce: Nonce, key: Digest256, attestation: Attestation, document: [UInt8]) {
    (self.nonce, self.key) = (nonce, key)
    (self.attestation, self.document) = (attestation, document)
  }

  /// The line has a few hundred bytes, and floors and digests of the configuration.
  public static let bytesMax = EvidenceDocument.bytesMax + 256 * 1024

  public var bytes: [UInt8] {
    let line: JSONValue = [
      "nonce": .string(nonce.hex), "key": .string(key.hex),
      "attestation": .object(attestation.json),
    ]
    return Array((line.text + "\n").utf8) + document
  }

  /// Nil if the bytes are no such task.
  public init?(_ bytes: [UInt8]) {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
      let line = try? JSONReader.read(Array(bytes[..<end])),
      let nonce = line["nonce"]?.string.flatMap(Nonce.init(hex:)),
      let key = line["key"]?.string.flatMap(Digest256.init(hex:)),
      let part = line["attestation"], let attestation = try? Attestation(json: part)
    else { return nil }
    self.init(
      nonce: nonce, key: key, attestation: attestation, document: Array(bytes[(end + 1)...]))
  }
}

/// The verdict line of the appraising role, as far as the gate reads it.
struct AppraisalVerdict {
  let token: FailureToken?
  let warnings: [String]
  /// Name, state, token and detail of each factor.
  let factors: [(name: String, state: String, token: FailureToken?, detail: String)]

  /// Nil if it is no verdict, or if the process did not end as its verdict says: then nothing was
  /// proved.
  init?(_ end: OneShot.End) {
    guard end.isWhole, let value = try? JSONReader.read(end.output),
      let verdict = value["verdict"]?.string, let factors = value["factors"]?.array
    else { return nil }
    let token = value["token"]?.string.flatMap(FailureToken.init(rawValue:))
    // Passing takes the word, no token at all, and the exit code; everything else is a failure
    // with its token.
    if verdict == Verdict.proven.rawValue {
      guard value["token"] == .null, end.code == ExitCode.done else { return nil }
    } else if token == nil {
      return nil
    }
    self.token = token
    warnings = (value["warnings"]?.array ?? []).compactMap(\.string)
    self.factors = factors.map {
      (
        $0["name"]?.string ?? "", $0["state"]?.string ?? "",
        $0["token"]?.string.flatMap(FailureToken.init(rawValue:)), $0["detail"]?.string ?? ""
      )
    }
  }
}
