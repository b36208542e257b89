/// Why the gate is shut. The words are the same in status, log and `pmctl why gate`.
public enum GateToken: String, CaseIterable, Error, Sendable {
  case configPlatform = "config-platform"
  case kmsgUnreadable = "kmsg-unreadable"
  case kmsgNoSNP = "kmsg-no-snp"
  case kmsgNoIsolation = "kmsg-no-isolation"
  case deviceMissing = "device-missing"
  case deviceType = "device-type"
  case deviceDriver = "device-driver"
  case tpmMissing = "tpm-missing"
  case appraiseFailed = "appraise-failed"
  case listen

  /// True if it may heal by itself, so that the gate is tried again.
  public var isRetryable: Bool { self == .appraiseFailed || self == .listen }

  /// What is wrong, in one sentence.
  public var explanation: String {
    switch self {
    case .configPlatform:
      "The configuration does not say what kind of confidential machine this is."
    case .kmsgUnreadable: "No message of the kernel could be read from /dev/kmsg."
    case .kmsgNoSNP: "The kernel log does not say that SEV-SNP is active."
    case .kmsgNoIsolation:
      "The kernel log does not say that Hyper-V isolates this machine by SEV-SNP with a paravisor."
    case .deviceMissing: "There is no /dev/sev-guest."
    case .deviceType: "/dev/sev-guest is not the character device of the kernel's own driver."
    case .deviceDriver: "The kernel's sev-guest driver is not bound to a device."
    case .tpmMissing: "There is no TPM at /dev/tpmrm0 that can be opened."
    case .appraiseFailed: "No evidence of this machine has been verified."
    case .listen: "The public ports could not be bound."
    }
  }

  /// What to do about it, in one sentence.
  public var advice: String {
    switch self {
    case .configPlatform: "Set attestation.platform to snp or azure-snp-vtpm, then: pmctl reload"
    case .kmsgUnreadable: "Give pmctl CAP_SYSLOG, then: pmctl gate"
    case .kmsgNoSNP, .deviceMissing, .deviceDriver:
      "Run on a machine with SEV-SNP and the sev-guest module, then: pmctl gate"
    case .kmsgNoIsolation, .tpmMissing:
      "Run on an Azure confidential machine (DCasv5, DCasv6), then: pmctl gate"
    case .deviceType: "Stop whatever emulates the device, then: pmctl gate"
    case .appraiseFailed:
      "In production nothing opens the ports but verified evidence; to try the appliance out, use "
        + "the profile development."
    case .listen: "Stop what holds port 443 or 80 (ss -ltnp); pmctl tries again by itself"
    }
  }
}
