internal import CLinux
internal import Glibc
internal import PMSystem

/// Whether the device that gives evidence exists. Root can imitate all of this; it keeps a
/// forgotten emulation from passing, the signature does the rest.
public enum GuestDevice {
  /// Nil if the device of the platform is there.
  public static func fault(for platform: Platform) -> FailureToken? {
    switch platform {
    case .snp: sevGuestFault()
    case .azure: tpmFault()
    }
  }

  /// Miscellaneous character devices (Documentation/admin-guide/devices.txt). An emulation in user
  /// space has another major number.
  private static let miscellaneousMajor: UInt32 = 10

  private static func sevGuestFault() -> FailureToken? {
    var status = stat()
    guard unsafe stat("/dev/sev-guest", &status) == 0 else { return .deviceMissing }
    let major = UInt32(truncatingIfNeeded: status.st_rdev >> 8) & 0xFFF
    guard status.st_mode & S_IFMT == S_IFCHR, major == miscellaneousMajor else {
      return .deviceType
    }
    let driver = "/sys/bus/platform/drivers/sev-guest/sev-guest"
    return unsafe access(driver, F_OK) == 0 ? nil : .deviceDriver
  }

  private static func tpmFault() -> FailureToken? {
    var status = stat()
    guard unsafe stat("/dev/tpmrm0", &status) == 0, status.st_mode & S_IFMT == S_IFCHR,
      OwnedDescriptor(result: unsafe open("/dev/tpmrm0", O_RDWR | O_CLOEXEC)) != nil
    else { return .tpmMissing }
    return nil
  }
}
