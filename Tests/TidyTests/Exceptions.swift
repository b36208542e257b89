/// Exceptions that are not written in the code they are about, each with its reason.
enum Exceptions {
  static let textInErrors: [String: String] = [
    "Sources/Wire/PMWire/Configuration/ConfigurationError.swift":
      "the operator's own file is at fault, and only the operator's terminal shows its words",
    "Sources/Processes/pmctl/PMCommand/Command.swift":
      "the operator's own words, told back to the terminal they were typed at",
    "Sources/Processes/pmctl/PMCommand/VerifyInput.swift":
      "the client's own words, told back to the terminal they were typed at",
    "Sources/Processes/pm-core/PMCore/Keys/KeyFileEntry.swift":
      "the name of a member of ours, never its value; it goes into the report of an import",
    "Sources/Wire/PMWire/CoreControl/CoreControl.swift":
      "the member names of a closed table; only the administrator who typed the body sees them",
  ]

  /// Names that the Swift library, the compiler or the linker calls.
  static let namedByOthers: [String: String] = [
    "description": "called by interpolation",
    "appendLiteral": "called by the compiler for literals with interpolations",
    "appendInterpolation": "called by the compiler for literals with interpolations",
  ]

  static let copies: [ToleratedCopy] = [
    ToleratedCopy(
      one: "Sources/Wire/PMWire/ServiceState.swift",
      other: "Sources/Processes/pmctl/PMSupervisor/Words.swift",
      reason: "words of the wire are text, words of the log are constants by type"),
  ]

  /// Numbers in the prose of pages.
  static let sayings: [Saying] = [
    Saying(
      "Sources/Base/PMAttest/README.md", "8 KiB per record", "KernelLogDevice", "recordBytesMax",
      8192),
    Saying(
      "Sources/Base/PMAttest/README.md", "65 536 records", "KernelLogDevice", "recordsMax", 65_536),
    Saying(
      "Sources/Base/PMSystem/README.md", "buckets of 20 ms", "DeadlineWheel", "tickMilliseconds", 20
    ),
    Saying(ledger, "64 waiting changes", "ChangeLine", "waitingMax", 64),
    Saying(ledger, "16 waiting queries", "LedgerReader", "waitingMax", 16),
    Saying(receipts, "the 4096 newest", "ContentDigests", "entriesMax", 4096),
    Saying(core + "Limits/README.md", "16 384 places", "AdmissionWindow", "exactPlacesMax", 16_384),
    Saying(core + "Limits/README.md", "at most 256", "ShareBounds", "waitersMax", 256),
    Saying(core + "Limits/README.md", "10 s", "ShareBounds", "waitSecondsMax", 10),
    Saying(core + "Limits/README.md", "600 steps", "TokenWindow", "stepsPerWindow", 600),
    Saying(
      core + "Limits/README.md", "without one 1000", "CoreBounds", "outputTokensExpected", 1000),
    Saying(core + "Limits/README.md", "131 072", "CoreBounds", "outputTokensAssumedMax", 131_072),
    Saying(core + "Limits/README.md", "at most 200 000", "PastRequest", "rowsMax", 200_000),
    Saying(core + "Prices/README.md", "at most 1024", "ModelTable", "modelsMax", 1024),
    Saying(core + "Control/README.md", "at most 10 000", "UsageRows", "rowsMax", 10_000),
    Saying(core + "Keys/README.md", "every 500 ms", "KeysFileWatcher", "pollMilliseconds", 500),
    Saying(core + "Keys/README.md", "more than 5 s", "KeysFileWatcher", "goneSecondsMax", 5),
    Saying(core + "Keys/README.md", "10 000 keys of a source", "KeyTable", "keysMax", 10_000),
    Saying(core + "Keys/README.md", "512 bytes for a secret", "KeyTable", "secretBytesMax", 512),
    Saying(core + "Keys/README.md", "4 MiB for a file", "KeyFileReading", "fileBytesMax", 4 << 20),
    Saying(
      "Sources/Processes/pm-core/README.md", "at most 60 s", "CoreBounds", "drainSecondsMax", 60),
    Saying(
      "Sources/Processes/pm-edge/README.md", "closed after 3 s", "EdgeBounds",
      "idleDrainSecondsMax", 3),
    Saying(
      "Sources/Processes/pm-admin/README.md", "10 s at most", "AdminLimits", "drainSecondsMax", 10),
  ]
  private static let core = "Sources/Processes/pm-core/PMCore/"
  private static let ledger = core + "Ledger/README.md"
  private static let receipts = core + "Receipts/README.md"
}
