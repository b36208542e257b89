internal import PMAttest
internal import PMJSON
internal import PMSupervisor
internal import PMSystem
internal import PMVerify
internal import PMWire

/// Commands of a client: they need no appliance on this machine.
extension Command {
  static let clientCommands: [Command] = [
    Command(
      name: "verify",
      summary: "Check from outside whether an appliance is a genuine confidential machine.",
      form: "https://HOST[:PORT] [OPTIONS] | --evidence DIR [--at TIME]",
      operands: ["URL"], mayLackLastOperand: true,
      flags: ["--no-webpki", "--require-crl", "--json"],
      options: expectationOptions.merging(savedOptions) { first, _ in first }
        .merging(["--timeout": "SECONDS", "--save": "DIR"]) { first, _ in first },
      examples: [
        "pmctl verify https://ai.example.org --platform azure-snp-vtpm --expect-file release.json",
        "pmctl verify https://192.0.2.7:8443 --no-webpki --save evidence",
        "pmctl verify --evidence evidence --at 2026-11-22T12:00:00Z",
        "pmctl verify https://ai.example.org --json | jq -r .verdict",
      ],
      words: Factor.Name.allCases.map(\.rawValue), usageExit: VerifyExit.usage,
      judgesConfiguration: true, run: verify)
  ]

  /// What evidence can be held to.
  static let expectationOptions = [
    "--platform": "snp|azure-snp-vtpm", "--profile": "baseline|strict",
    "--expect-measurement": "HEX,...", "--expect-id-key": "HEX,...",
    "--expect-pcr": "N=HEX,...", "--expect-chip": "HEX,...", "--expect-csp": "TEXT,...",
    "--expect-file": "FILE", "--min-tcb": "PRODUCT/MODEL/STEPPING:bl=N,snp=N,...;...",
    "--require-platform-bits": "MASK", "--require": "FACTOR,...", "--crl": "FILE",
  ]
  static let savedOptions = ["--evidence": "DIR", "--at": "TIME"]

  /// Exit codes of `verify`: scripts tell a refusal from a network that is down.
  enum VerifyExit {
    static let good: Int32 = 0
    static let rejected: Int32 = 1
    static let unreachable: Int32 = 2
    static let usage: Int32 = 3

    static func code(_ verdict: Verdict) -> Int32 {
      switch verdict {
      case .proven, .savedEvidenceValid: good
      case .rejected: rejected
      case .unreachable: unreachable
      }
    }
  }

  @Sendable private static func verify(_ input: CommandInput) -> Int32 {
    do throws(VerifyInput.Fault) {
      let words = try VerifyInput(input)
      let verification = verification(words, input)
      switch words.subject {
      case .appliance(let url): return try check(url, verification, words, input)
      case .saved(let folder, let time):
        return tell(verification.verify(try saved(folder), at: time), words, input)
      }
    } catch {
      Terminal.error("pmctl verify: \(error.text)")
      return VerifyExit.usage
    }
  }

  private static func verification(
    _ words: VerifyInput, _ input: CommandInput
  ) -> Verification {
    let environment = Environment.values(Proxy.environmentNames)
    var verification = Verification(
      anchors: input.world.anchors, environment: environment,
      certificates: NetworkSource(environment: environment))
    verification.rules = words.rules
    verification.checksWebPKI = !input.has("--no-webpki")
    verification.seconds = words.seconds
    return verification
  }

  /// Judges the evidence that `--evidence` names; nil if none is named.
  static func judgeSaved(_ input: CommandInput) throws(VerifyInput.Fault) -> Finding? {
    let words = try VerifyInput(input)
    guard case .saved(let folder, let time) = words.subject else { return nil }
    return verification(words, input).verify(try saved(folder), at: time)
  }

  private static func check(
    _ url: ApplianceURL, _ verification: Verification, _ words: VerifyInput, _ input: CommandInput
  ) throws(VerifyInput.Fault) -> Int32 {
    // Before anything is asked: evidence that cannot be kept is asked for in vain.
    if let folder = words.saveFolder { try make(folder) }
    let finding = verification.verify(url)
    if let folder = words.saveFolder { try keep(finding, in: folder) }
    return tell(finding, words, input)
  }

  private static func tell(
    _ finding: Finding, _ words: VerifyInput, _ input: CommandInput
  ) -> Int32 {
    if input.has("--json") {
      Terminal.line(JSONValue.object(finding.json).text)
    } else {
      let lines = [words.heading(finding.appraisal), ""] + finding.lines
      Terminal.line(lines.joined(separator: "\n"))
    }
    return VerifyExit.code(finding.appraisal.verdict)
  }

  private static func saved(_ folder: String) throws(VerifyInput.Fault) -> SavedEvidence {
    do throws(SavedEvidence.Fault) {
      return try SavedEvidence(folder: folder)
    } catch {
      throw .folder(folder, error)
    }
  }

  private static func make(_ folder: String) throws(VerifyInput.Fault) {
    do throws(SavedEvidence.Fault) {
      try SavedEvidence.makeFolder(folder)
    } catch {
      throw .folder(folder, error)
    }
  }

  /// Where nothing came, nothing is kept, the empty folder neither.
  private static func keep(
    _ finding: Finding, in folder: String
  ) throws(VerifyInput.Fault) {
    guard let evidence = finding.evidence else {
      _ = FileIO.removeFolder(folder)
      return
    }
    do throws(SavedEvidence.Fault) {
      try evidence.write(to: folder, finding.appraisal)
    } catch {
      throw .folder(folder, error)
    }
  }
}
