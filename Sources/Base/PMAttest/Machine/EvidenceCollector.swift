public import PMCrypto

/// What one run of the gate collected: enough to assemble a document, and to answer clients later.
public struct Preparation: Sendable {
  public let key: Digest256
  public let claims: [UInt8]
  public let nonce: Nonce
  public let evidence: EvidenceDocument.Body
  /// The certificate table of the host; empty where there is none. Untrusted.
  public let certificates: [UInt8]
  /// The report of 1184 bytes, by which a chain is looked up.
  public let report: [UInt8]
  /// How often the report was read until it carried our bytes; 1 where nothing is waited for.
  public let attempts: Int

  /// The firmware level that the chain was made for.
  var reportedTCB: ArraySlice<UInt8> { report[EvidenceCollector.reportedTCBRange] }
}

/// Why a client gets no evidence now.
public enum CollectionFault: Error, Equatable, Sendable {
  case failed(FailureToken)
  /// The firmware of the host changed, so the chain no longer fits: the gate has to run again.
  case firmwareChanged
}

/// Collects evidence of one machine: first for the gate, then for each client. It belongs to one
/// thread and does one thing at a time, because a device call may block for a minute.
public final class EvidenceCollector {
  private let machine: Machine
  private let platform: Platform
  private var device: (any ReportDevice)?
  private var tpm: TPM?

  static let reportedTCBRange = 0x180..<0x188

  public init(machine: Machine, platform: Platform) {
    (self.machine, self.platform) = (machine, platform)
  }

  /// Numbers for the log when the last call failed.
  public var fault: DeviceFault? {
    switch platform {
    case .snp: device?.fault
    case .azure: tpm?.code.map { .tpm(code: $0) }
    }
  }

  /// Binds the key and the claims to the hardware and collects evidence for a first nonce. On Azure
  /// this takes three seconds or more.
  public func prepare(
    key: Digest256, claims: [UInt8], nonce: Nonce
  ) throws(FailureToken) -> Preparation {
    switch platform {
    case .snp:
      let data = Binding.reportData(nonce, key: key, claims: claims)
      let (report, certificates) = try openedDevice().extendedReport(data)
      return Preparation(
        key: key, claims: claims, nonce: nonce, evidence: .report(report),
        certificates: certificates, report: report, attempts: 1)
    case .azure:
      let bound = try withTPM { (collector) throws(FailureToken) in
        try collector.bind(Binding.userData(key: key, claims: claims))
      }
      let evidence = try quote(nonce, key: key, claims: claims, hcl: bound.hcl)
      return Preparation(
        key: key, claims: claims, nonce: nonce, evidence: .azure(evidence), certificates: [],
        report: bound.report, attempts: bound.attempts)
    }
  }

  /// Evidence for a client's nonce, with the key and the claims of a run of the gate.
  public func collect(
    _ nonce: Nonce, for preparation: Preparation
  ) throws(CollectionFault) -> EvidenceDocument.Body {
    let evidence: EvidenceDocument.Body
    do { evidence = try evidenceNow(nonce, preparation) } catch { throw .failed(error) }
    if case .report(let report) = evidence,
      report[Self.reportedTCBRange] != preparation.reportedTCB
    {
      throw .firmwareChanged
    }
    return evidence
  }

  private func evidenceNow(
    _ nonce: Nonce, _ preparation: Preparation
  ) throws(FailureToken) -> EvidenceDocument.Body {
    let (key, claims) = (preparation.key, preparation.claims)
    switch preparation.evidence {
    case .report:
      let data = Binding.reportData(nonce, key: key, claims: claims)
      return .report(try openedDevice().report(data))
    case .azure(let prepared):
      return .azure(try quote(nonce, key: key, claims: claims, hcl: prepared.hcl))
    }
  }

  // MARK: Devices, opened once and kept

  private func openedDevice() throws(FailureToken) -> any ReportDevice {
    if let device { return device }
    let opened = try machine.openReportDevice()
    device = opened
    return opened
  }

  private func openedTPM() throws(FailureToken) -> TPM {
    if let tpm { return tpm }
    let opened = TPM(try machine.openTPM(), pause: machine.pause)
    tpm = opened
    return opened
  }

  private func quote(
    _ nonce: Nonce, key: Digest256, claims: [UInt8], hcl: [UInt8]
  ) throws(FailureToken) -> AzureEvidence {
    let quoted = try withTPM { (collector) throws(FailureToken) in
      try collector.quote(Binding.hash(nonce, key: key, claims: claims))
    }
    return AzureEvidence(
      hcl: hcl, quote: quoted.quote.message, signature: quoted.quote.signature,
      pcrs: quoted.registers)
  }

  private func withTPM<Value>(
    _ body: (AzureCollector) throws(FailureToken) -> Value
  ) throws(FailureToken) -> Value {
    let opened = try openedTPM()
    do throws(FailureToken) {
      return try body(AzureCollector(tpm: opened, pause: machine.pause))
    } catch {
      // A write without its read leaves an answer behind; a new descriptor has none.
      if error == .tpmIO { tpm = nil }
      throw error
    }
  }
}
