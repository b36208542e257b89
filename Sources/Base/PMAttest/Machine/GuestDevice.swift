internal import CLinux
internal import Glibc
internal import PMSystem

/// The numbers of a device node, as `pmctl attest` shows them.
public struct DeviceNumbers: Equatable, Sendable {
  public let major: UInt32
  public let minor: UInt32

  public init(major: UInt32, minor: UInt32) { (self.major, self.minor) = (major, minor) }
}

/// The device nodes that give evidence. Root can imitate all of this; it keeps a forgotten
/// emulation from passing, the signature does the rest.
enum GuestDevice {
  private static let guestPath = "/dev/sev-guest"
  /// Exists while the kernel's own driver is bound to the platform's device.
  private static let guestDriver = "/sys/bus/platform/drivers/sev-guest/sev-guest"
  /// The resource manager: it keeps the sessions of other users apart from ours.
  private static let tpmPath = "/dev/tpmrm0"
  /// Miscellaneous character devices (Documentation/admin-guide/devices.txt). An emulation in user
  /// space has another major number.
  private static let miscellaneousMajor: UInt32 = 10

  /// An open device node.
  struct Node: ~Copyable {
    let descriptor: OwnedDescriptor
    let numbers: DeviceNumbers
  }

  /// That the device of the platform is there and opens.
  static func check(_ platform: Platform) throws(FailureToken) -> DeviceNumbers {
    switch platform {
    case .snp: try openGuest().numbers
    case .azure: try openTPM().numbers
    }
  }

  static func openGuest() throws(FailureToken) -> Node {
    try openGuest(guestPath, driver: guestDriver)
  }

  static func openGuest(_ path: String, driver: String) throws(FailureToken) -> Node {
    guard let device = OwnedDescriptor(result: unsafe open(path, O_RDWR | O_CLOEXEC)) else {
      switch pm_errno() {
      case ENOENT, ENODEV: throw .deviceMissing
      default: throw .deviceErrno
      }
    }
    guard let numbers = numbers(of: device), numbers.major == miscellaneousMajor else {
      throw .deviceType
    }
    guard unsafe access(driver, F_OK) == 0 else { throw .deviceDriver }
    return Node(descriptor: device, numbers: numbers)
  }

  static func openTPM() throws(FailureToken) -> Node { try openTPM(tpmPath) }

  static func openTPM(_ path: String) throws(FailureToken) -> Node {
    guard let device = OwnedDescriptor(result: unsafe open(path, O_RDWR | O_CLOEXEC)),
      let numbers = numbers(of: device)
    else { throw .tpmMissing }
    return Node(descriptor: device, numbers: numbers)
  }

  /// Nil if it is no character device. The numbers are packed as makedev(3) does.
  private static func numbers(of device: borrowing OwnedDescriptor) -> DeviceNumbers? {
    var status = stat()
    guard unsafe fstat(device.number, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else {
      return nil
    }
    let packed = UInt64(status.st_rdev)
    return DeviceNumbers(
      major: UInt32(truncatingIfNeeded: packed >> 8 & 0xFFF | packed >> 32 & 0xFFFF_F000),
      minor: UInt32(truncatingIfNeeded: packed & 0xFF | packed >> 12 & 0xFFFF_FF00))
  }
}
