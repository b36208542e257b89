/// The kinds of confidential machine. The host must not choose the check by hiding a device, so the
/// configuration names one.
public enum Platform: String, CaseIterable, Sendable {
  /// The guest owns VMPL 0 and asks for its report itself.
  case snp
  /// A paravisor owns VMPL 0; the report lies in the virtual TPM.
  case azure = "azure-snp-vtpm"
}
