internal import PMCrypto
public import PMJSON
public import PMSystem

/// A verdict, and everything that led to it.
public struct Appraisal: Sendable {
  public let verdict: Verdict
  /// Why evidence was refused; empty for a good verdict. The first is the verdict's token.
  public let failures: [FailureToken]
  /// Required factors that did not pass.
  public let unmet: [Factor.Name]
  public let factors: [Factor]
  public let warnings: [Warning]
  /// What the document says; nil if there was none.
  public let platform: Platform?
  public let profile: Profile
  /// The clock that certificates were held against.
  public let time: WallTime
  /// Nil until the report is genuine.
  let subject: Policy.Subject?
  /// Nil until the evidence is bound to them.
  public let claims: Claims?
  /// Where the evidence came from, where that is known.
  public var url: String?

  public var token: FailureToken? { failures.first }
  /// The genuine report, whatever the policy then says of it.
  public var report: Report? { subject?.report }

  // MARK: For machines

  /// The verdict as one object, for `--json`, for saved evidence, and for the line of the appraise
  /// role. Texts that others wrote are shortened and carry no control characters.
  public var json: JSONObject {
    [
      "verdict": .string(verdict.rawValue),
      "token": .text(token?.rawValue),
      "url": .text(url.map { PrintableText.of($0) }),
      "time": .string(time.civil.rfc3339),
      "platform": .text(platform?.rawValue),
      "profile": .string(profile.rawValue),
      "product": .text(subject?.signer.product.rawValue),
      "warnings": .array(warnings.map { .string($0.rawValue) }),
      "factors": .array(factors.map { .object($0.json) }),
      "report": subject.map { .object($0.json) } ?? nil,
      "claims": claims.map { PrintableText.of(.object($0.object)) } ?? nil,
    ]
  }
}

extension Factor {
  fileprivate var json: JSONObject {
    [
      "name": .string(name.rawValue), "state": .string(state.rawValue),
      "token": .text(token?.rawValue), "detail": .string(detail),
    ]
  }
}

extension Policy.Subject {
  fileprivate var json: JSONObject {
    [
      "version": .integer(Int64(report.version)),
      "signer": .string(signer.text),
      "chip_id": .hex(report.chipID),
      "measurement": .hex(report.measurement),
      "id_key_digest": .hex(report.idKeyDigest),
      "reported_tcb": .object(levels.reported.json),
      "committed_tcb": .object(levels.committed.json),
      "current_tcb": .object(levels.current.json),
      "launch_tcb": .object(levels.launch.json),
      "firmware": .string(report.currentFirmware.text),
      "policy": .string(report.policyText),
      "platform_info": .string("0x" + String(report.platformFlags.rawValue, radix: 16)),
      "vmpl": .integer(Int64(report.vmpl)),
      "host_data": .hex(report.hostData),
      "pcrs": pcrs.map { .array($0.map(JSONValue.hex)) } ?? nil,
    ]
  }
}

extension Report {
  /// `0x3001f`
  var policyText: String { "0x" + String(policy.rawValue, radix: 16) }
}

extension SigningIdentity {
  /// `VCEK`, or `VLEK of` and the provider's name.
  var text: String { provider.map { "\(kind.rawValue) of \($0)" } ?? kind.rawValue }
}

extension JSONValue {
  fileprivate static func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
  fileprivate static func hex(_ bytes: [UInt8]) -> JSONValue { .string(Hex.text(bytes.span)) }
}
