import Glibc
import PMCrypto
import PMSystem
import PMWire
import Testing

@testable import PMSupervisor

@Suite struct ProgramTests {
  private let path = "/tmp/pm-program-\(getpid())-\(UInt32.random(in: 0 ... .max))"

  private func write(_ text: String, mode: UInt32 = 0o755) throws {
    try FileIO.replace(path, with: Array(text.utf8), mode: mode)
  }

  /// SHA-256 of "abc" (FIPS 180-4, example).
  private let digestOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  private func fault(_ pin: String?, _ profile: Profile) -> String {
    do throws(ProgramFault) {
      _ = try Program.vendor(path, pin: pin, profile)
      return "none"
    } catch {
      return "\(error)"
    }
  }

  @Test func thePinDecides() throws {
    try write("abc")
    defer { OwnProcess.unlink(path) }
    #expect(fault(digestOfABC, .development) == "none")
    #expect(fault(String(repeating: "0", count: 64), .development) == "digestDiffers")
    #expect(fault(nil, .development) == "none")
    if PeerIdentity.ownUID == 0 {
      #expect(fault(nil, .production) == "digestDiffers")
      #expect(fault(digestOfABC, .production) == "none")
    }
  }

  @Test func theStandInIsRefusedInProductionThoughItIsPinned() throws {
    try write("xx PRIVATEMODE-STANDIN-DO-NOT-TRUST yy")
    defer { OwnProcess.unlink(path) }
    let digest = try Program.ours(path, .development).digest.hex
    #expect(fault(digest, .development) == "none")
    if PeerIdentity.ownUID == 0 { #expect(fault(digest, .production) == "standIn") }
  }

  @Test func aProgramThatOthersMayChangeIsNotExecuted() throws {
    try write("abc", mode: 0o777)
    defer { OwnProcess.unlink(path) }
    #expect(fault(digestOfABC, .development) == "notPrivate")
  }

  @Test func whatIsExecutedCannotChangeAfterTheCheck() throws {
    try write("abc")
    defer { OwnProcess.unlink(path) }
    let program = try Program.vendor(path, pin: digestOfABC, .development)
    try write("abd")
    let number = program.descriptor.number
    #expect(unsafe pwrite(number, "x", 1, 0) < 0, "the copy is sealed")
    #expect(try FileIO.read(program.descriptor, bytesMax: 10) == Array("abc".utf8))
  }

  @Test func aNeedleIsFoundWhereverItIs() {
    #expect(Program.contains(Array("ababac".utf8), "abac"))
    #expect(Program.contains(Array("abac".utf8), "abac"))
    #expect(!Program.contains(Array("aba".utf8), "abac"))
    #expect(!Program.contains([], "a"))
  }
}
