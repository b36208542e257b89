import Scratch
import Testing

@testable import PMAttest

/// Section by section what makes a device node the real one. The nodes are those of this machine.
@Suite struct GuestDeviceTests {
  private func guestFault(_ path: String, driver: String = "/") -> FailureToken? {
    token { () throws(FailureToken) in _ = try GuestDevice.openGuest(path, driver: driver).numbers }
  }
  private func tpmFault(_ path: String) -> FailureToken? {
    token { () throws(FailureToken) in _ = try GuestDevice.openTPM(path).numbers }
  }

  @Test func aMissingNodeIsMissing() {
    #expect(guestFault("/dev/no-such-device") == .deviceMissing)
    #expect(tpmFault("/dev/no-such-device") == .tpmMissing)
  }

  @Test func whatIsNoCharacterDeviceIsNone() throws {
    let folder = try Scratch()
    try folder.write("", to: "node")
    let path = folder.file("node")
    #expect(guestFault(path) == .deviceType)
    #expect(tpmFault(path) == .tpmMissing)
    #expect(guestFault("/tmp") == .deviceErrno)
  }

  /// Major 1 stands for the other major numbers, such as those of an emulation in user space.
  @Test func anotherMajorNumberIsAnEmulation() {
    #expect(guestFault("/dev/null") == .deviceType)
    #expect(tpmFault("/dev/null") == nil)
  }

  private static let miscellaneous = [
    "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/hpet", "/dev/vga_arbiter",
    "/dev/userfaultfd", "/dev/uinput",
  ]
  private static let node = miscellaneous.first { path in
    token { () throws(FailureToken) in _ = try GuestDevice.openGuest(path, driver: "/").numbers }
      == nil
  }

  @Test(.enabled(if: node != nil, "no device of major 10 opens here"))
  func theDriverMustBeBound() throws {
    let path = try #require(Self.node)
    #expect(try GuestDevice.openGuest(path, driver: "/").numbers.major == 10)
    #expect(guestFault(path, driver: "/sys/bus/platform/drivers/none") == .deviceDriver)
  }

  @Test func thisMachineIsAskedWithoutHarm() {
    for platform in Platform.allCases {
      let fault = token { () throws(FailureToken) in _ = try Machine.real.checkDevice(platform) }
      let known: [FailureToken?] = [
        nil, .deviceMissing, .deviceType, .deviceDriver, .deviceErrno, .tpmMissing,
      ]
      #expect(known.contains(fault))
    }
  }
}
