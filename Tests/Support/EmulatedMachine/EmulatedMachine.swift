public import PMAttest
import PMCrypto
import PMJSON
import PMSystem
import Vectors

/// A machine whose evidence verifies under the synthetic roots.
public struct EmulatedMachine: Sendable {
  /// How the machine behaves; asked before every call, so that it may change while it is used.
  public struct Script: Sendable {
    /// The kernel's log lacks the line that the gate looks for.
    public var lacksKernelLine = false
    /// What looking for the device gives.
    public var device: FailureToken?
    /// What every call of the report device or the TPM gives.
    public var call: FailureToken?
    /// Which chip a machine of the platform `snp` has.
    public var chip = SyntheticEvidence.Chip.baseline
    public init() {}
  }

  public let machine: Machine

  public init(
    platform: Platform, script: @escaping @Sendable () -> Script = { Script() }
  ) throws {
    let clock = EmulatedClock()
    let baseline = try SyntheticEvidence(.baseline)
    let strict = try SyntheticEvidence(.strict)
    let azure = try SyntheticEvidence(.azure)
    machine = Machine(
      kernelRecords: { Self.records(platform, lacksLine: script().lacksKernelLine) },
      journalEntries: { [] },
      deviceNumbers: { (_) throws(FailureToken) in
        if let token = script().device { throw token }
        return DeviceNumbers(major: 10, minor: 123)
      },
      openReportDevice: {
        EmulatedReportDevice(
          evidence: { script().chip == .strict ? strict : baseline },
          failing: { script().call })
      },
      openTPM: { () throws(FailureToken) in
        do {
          return try Paravisor(
            EmulatedTPM(), evidence: azure, clock: clock, failing: { script().call })
        } catch { throw .tpmMissing }
      },
      pause: clock.pause,
      random: randomBytes)
  }

  /// VEK, intermediate and root of a machine; what a cache or the host would give.
  public static func chain(_ chip: SyntheticEvidence.Chip) throws -> [[UInt8]] {
    try SyntheticEvidence(chip).chain
  }

  /// The synthetic roots, for the verifier of a test and nobody else.
  public static func anchors() throws -> TrustAnchors {
    let pins = try Vectors.json("synthetic/anchors.json")
    func pin(_ name: String) throws -> Digest256 {
      guard let text = pins[name]?.string, let pin = Digest256(hex: text) else {
        throw EmulationError.vector
      }
      return pin
    }
    return TrustAnchors(milan: try pin("Milan"), genoa: try pin("Genoa"), turin: try pin("Turin"))
  }

  private static func records(_ platform: Platform, lacksLine: Bool) -> [[UInt8]] {
    var messages = ["Linux version 6.12.0 (build@host) #1 SMP"]
    if !lacksLine {
      switch platform {
      case .snp: messages.append("Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP")
      case .azure:
        messages.append("Hyper-V: Isolation Config: Group A 0x1, Group B 0xba2")
        messages.append("Memory Encryption Features active: AMD SEV")
      }
    }
    return messages.enumerated().map { Array("6,\($0.offset),0,-;\($0.element)\n".utf8) }
  }
}
