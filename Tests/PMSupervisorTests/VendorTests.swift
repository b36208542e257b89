import PMLog
import PMWire
import Testing

@testable import PMSupervisor

@Suite struct VendorTests {
  private func arguments(_ change: (inout Vendor) -> Void = { _ in }) -> [String] {
    var vendor = Vendor()
    change(&vendor)
    return VendorCommand.arguments(vendor, keyFile: "/run/k", workspace: "/w")
  }

  @Test func theArgumentsAreThoseOfTheContract() {
    #expect(
      arguments() == ["--apiKey=@/run/k", "--port=8081", "--workspace=/w", "--log-format=json"])
    #expect(
      arguments { $0.nvidiaOCSP = .strict }.suffix(2)
        == ["--nvidiaOCSPAllowUnknown=false", "--nvidiaOCSPRevokedGracePeriod=0"])
    #expect(arguments { $0.manifestPath = "/m" }.last == "--manifestPath=/m")
    #expect(VendorCommand.isAllowed(arguments()))
  }

  @Test(arguments: VendorCommand.refusedNames)
  func aRefusedNameIsRefusedInEverySpelling(_ name: String) {
    #expect(!VendorCommand.isAllowed(arguments() + [name]))
    #expect(!VendorCommand.isAllowed(arguments() + ["\(name)=true"]))
    #expect(!VendorCommand.isAllowed(arguments() + [name, "v"]))
    #expect(VendorCommand.isAllowed(arguments() + ["\(name)ButLonger"]))
  }

  @Test func aLiteralKeyIsRefusedInEverySpelling() {
    #expect(!VendorCommand.isAllowed(["--apiKey=secret"]))
    #expect(!VendorCommand.isAllowed(["--apiKey", "secret"]))
    #expect(!VendorCommand.isAllowed(["--apiKey="]))
    #expect(VendorCommand.isAllowed(["--apiKey=@/run/key"]))
  }

  @Test func nothingIsInheritedIntoItsEnvironment() {
    let values = VendorCommand.environment(Vendor(), temporaryFolder: "/t")
    #expect(values == ["GOMEMLIMIT": "768MiB", "TMPDIR": "/t"])
  }

  private func meanings(_ text: String, pieceBytes: Int = 7) -> (
    VendorOutput, [VendorOutput.Meaning]
  ) {
    var output = VendorOutput()
    var meanings: [VendorOutput.Meaning] = []
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
      meanings += output.take(Array(bytes[start..<min(start + pieceBytes, bytes.count)]))
    }
    return (output, meanings)
  }

  @Test func knownLinesBecomeEventsAndTheRestIsCounted() {
    let (output, found) = meanings(
      """
      {"time":"t","level":"INFO","msg":"Secret updated successfully","component":"secret-loop"}
      {"time":"t","level":"ERROR","msg":"Secret update loop exited"}
      {"time":"t","level":"INFO","msg":"Forwarding request","path":"/v1/x?q=canary"}
      {"time":"t","level":"INFO","msg":"Something new"}
      not json at all

      """)
    #expect(found == [.event("secret-updated"), .lostRefresh, .counted, .counted, .counted])
    #expect(output.lineCount == 5)
    #expect(output.unknownCount == 2)
  }

  @Test func aMessageInsideAnotherValueIsNoMessage() {
    let (output, found) = meanings(
      #"{"body":"{\"msg\":\"Secret update loop exited\"}","x":1}"# + "\n")
    #expect(found == [.counted])
    #expect(output.unknownCount == 1)
  }

  @Test(arguments: [
    ("Unauthorized", VendorOutput.Fault.badKey),
    ("active manifest does not match", .manifestMismatch),
    ("validating attestation: unmarshal x", .tooOld), ("validating attestation: y", .attestation),
    ("listen tcp :8081: bind: address already in use", .portInUse),
    ("dial tcp: lookup api", .network),
  ])
  func aStartErrorIsClassified(_ text: String, _ fault: VendorOutput.Fault) {
    #expect(meanings("Error: setting up: \(text)\n").0.fault == fault)
  }

  @Test func aLineWithoutEndIsBounded() {
    var output = VendorOutput()
    for _ in 0..<100 { _ = output.take(Array(repeating: 0x61, count: 4096)) }
    #expect(output.take([0x0A]) == [.counted])
    #expect(output.lineCount == 1)
  }

  @Test func onlyNumberedManifestsArePruned() {
    #expect(VendorWorkspace.number("17.json") == 17)
    for name in ["log.txt", ".json", "1x.json", "-1.json", "17.json.bak", "../1.json"] {
      #expect(VendorWorkspace.number(name) == nil, "\(name)")
    }
  }
}
