import Testing

/// Each rule finds what it is for, and nothing in what is right.
@Suite struct RuleTests {
  private func swift(_ module: String, _ text: String) -> TreeFile {
    TreeFile("Sources/Processes/x/\(module)/A.swift", text)
  }

  @Test(arguments: [
    "internal import PMStore\n", "@_exported import PMTLS\n", "import struct Foundation.Date\n",
  ])
  func anImportAcrossLayersIsFound(_ text: String) {
    let findings = CodeRules.layers(swift("PMAdmin", text))
    #expect(findings.map(\.line) == [1])
  }

  @Test func anImportDownwardIsFine() {
    let findings = CodeRules.layers(swift("PMAdmin", "public import PMWire\n// import PMTLS\n"))
    #expect(findings.isEmpty)
    #expect(!CodeRules.layers(swift("Unheard", "let a = 1\n")).isEmpty)
  }

  @Test func aThickMainIsFound() {
    let long = TreeFile("Sources/a/main.swift", String(repeating: "work()\n", count: 16))
    #expect(CodeRules.mainIsThin(long).count == 1)
    let closure = TreeFile("Sources/a/main.swift", "run { 1 }\n")
    #expect(CodeRules.mainIsThin(closure).count == 1)
    #expect(CodeRules.mainIsThin(TreeFile("Sources/a/main.swift", "exit(run())\n")).isEmpty)
  }

  @Test(arguments: [
    "let s = String(format: x)\n", "_ = getenv(name)\n", "  print(a)\n", "import Foundation\n",
    "let t = \"\\(Date())\"\n", "fatalError()\n",
  ])
  func aBannedCallIsFound(_ text: String) {
    #expect(CodeRules.bannedCalls(swift("PMAdmin", text)).count == 1)
  }

  @Test(arguments: [
    "case signal(Int32)\n", "return .signal(9)\n", "let s = \"print(x)\"\n", "blueprint(1)\n",
    "// getenv(name)\n", "import FoundationEssentials\n",
  ])
  func whatOnlyLooksLikeABannedCallIsFine(_ text: String) {
    #expect(CodeRules.bannedCalls(swift("PMAdmin", text)).isEmpty)
  }

  @Test func textInAnErrorIsFound() {
    let error = "enum E: Error {\n  case bad(String)\n  case worse(Int)\n}\n"
    #expect(CodeRules.textInErrors(swift("PMAdmin", error)).map(\.line) == [2])
    let value = "struct E: Error, Sendable {\n  let text: String\n  var words: String { \"\" }\n}\n"
    #expect(CodeRules.textInErrors(swift("PMAdmin", value)).map(\.line) == [2])
    #expect(CodeRules.textInErrors(swift("PMAdmin", "enum N {\n  case a(String)\n}\n")).isEmpty)
  }

  @Test(arguments: [
    "let a = b!\n", "let a = try! f()\n", "f()!.g()\n", "x as! Int\n",
    "final class C: @unchecked Sendable {}\n", "nonisolated(unsafe) var a = 1\n", "var a: Int!\n",
  ])
  func anEscapeIsFound(_ text: String) {
    #expect(CodeRules.escapes(swift("PMAdmin", text)).count == 1)
  }

  @Test(arguments: ["if a != b {}\n", "if !a {}\n", "let s = \"stop!\"\n", "// now!\n", "a!=b\n"])
  func whatOnlyLooksLikeAnEscapeIsFine(_ text: String) {
    #expect(CodeRules.escapes(swift("PMAdmin", text)).isEmpty)
  }

  @Test func unsafeOutsideTheLowModulesIsFound() {
    #expect(CodeRules.unsafety(swift("PMAdmin", "let a = unsafe b\n")).count == 1)
    #expect(CodeRules.unsafety(TreeFile("Sources/Base/PMSystem/A.swift", "unsafe b\n")).isEmpty)
  }

  @Test func aVagueNameIsFound() {
    #expect(CodeRules.names(swift("PMAdmin", "struct KeyManager {}\n")).count == 1)
    #expect(CodeRules.names(swift("PMAdmin", "struct Ledger {}\n")).isEmpty)
  }

  @Test(arguments: ["a\t\n", "a \n", "a\r\n", "a\u{7}\n", "a\u{202E}\n", "a"])
  func anOddByteIsFound(_ text: String) {
    #expect(TextRules.bytes(TreeFile("Sources/A.swift", text)).count == 1)
    #expect(TextRules.bytes(TreeFile("Tests/Fixtures/A.swift", text)).isEmpty)
  }

  @Test func aLargeOrUnknownFileIsFound() {
    let large = String(repeating: "abc\n", count: 1 + TextRules.fileBytesMax / 4)
    #expect(TextRules.bytes(TreeFile("a.txt", large)).count == 1)
    #expect(TextRules.bytes(TreeFile("a.exe", "a\n")).count == 1)
    #expect(TextRules.bytes(TreeFile("run", "#!/bin/sh\n")).count == 1)
  }

  @Test func aRemarkWithoutAnIssueIsFound() {
    #expect(TextRules.todo(TreeFile("A.swift", "// TO" + "DO: later\n")).count == 1)
    #expect(TextRules.todo(TreeFile("A.swift", "// TO" + "DO #12: later\n")).isEmpty)
  }

  @Test func logicInTheShimIsFound() {
    func shim(_ text: String) -> [Finding] {
      TextRules.shim(TreeFile("Sources/Base/CLinux/include/CLinux.h", text))
    }
    #expect(shim("// macro\nstatic int a(void) { if (b) return 1; }\n").count == 1)
    #expect(shim("// a word\nstatic int a(void);\n").count == 1)
    #expect(shim("// hidden\nextern int a(void);\n").isEmpty)
    #expect(TextRules.shim(TreeFile("Sources/Wire/a.c", "int a;\n")).count == 1)
  }

  @Test func deadFilesAndTestsAreFound() {
    #expect(TextRules.dead(TreeFile("Sources/A.swift", "// nothing\n")).count == 1)
    let helped = "@Test func a() {\n  b()\n}\nfunc b() {\n  #expect(c)\n}\n"
    #expect(TextRules.dead(TreeFile("Tests/A.swift", helped)).isEmpty)
    let idle = "@Test func a() {\n  let b = 1\n}\n@Test func c() {\n  #expect(d)\n}\n"
    #expect(TextRules.dead(TreeFile("Tests/A.swift", idle)).map(\.line) == [1])
  }

  private func unused(_ text: String, beside other: String = "") -> [Int] {
    let tree = Tree(files: [
      swift("PMAdmin", text), TreeFile("Sources/Base/PMSystem/B.swift", other),
    ])
    return UnusedRules.unused(tree).filter { $0.path.hasSuffix("A.swift") }.map(\.line)
  }

  @Test(arguments: [
    "func idle() {}\n", "private let idle = 1\n", "enum E {}\n", "public static func idle() {}\n",
    "// idle()\nfunc idle() { _ = \"idle\" }\n", "protocol Idle {\n}\n",
  ])
  func aDeclarationThatNobodyNamesIsFound(_ text: String) {
    #expect(unused(text).count == 1)
  }

  @Test func casesThatNobodyNamesAreFound() {
    let cases = "enum E {\n  case a, b(E)\n  case c\n}\nlet d = E.a\nf(d, E.c)\n"
    #expect(unused(cases) == [2])
    #expect(unused("enum E: String {\n  case a\n}\nf(E(text))\n").isEmpty)
    #expect(unused("enum E: CaseIterable {\n  case a\n}\nf(E.allCases)\n").isEmpty)
  }

  @Test func aNameCountsWithinItsReach() {
    #expect(unused("private func a() {}\n", beside: "a()\n") == [1])
    #expect(unused("func a() {}\n", beside: "a()\n") == [1])
    #expect(unused("public func a() {}\n", beside: "a()\n").isEmpty)
    #expect(unused("func a() {}\na()\n").isEmpty)
    #expect(unused("func a() {}\nfunc a(_ b: Int) {}\n") == [1, 2])
    #expect(unused("func a() {}\n", beside: "protocol P {\n  func a()\n}\np.a()\n").isEmpty)
    #expect(unused("func a() {}\n", beside: "protocol P {\n  func a()\n}\n") == [1])
  }

  private static let six = (1...6).map { "  step\($0)()\n" }.joined()

  private func copies(_ one: String, _ other: String) -> [String] {
    CopyRules.copies(Tree(files: [TreeFile("a/A.swift", one), TreeFile("b/B.swift", other)]))
      .map(\.description)
  }

  @Test func aCopyIsFound() {
    let found = copies("func a() {\n\(Self.six)}\n", "// b\n\nfunc b() {\n\(Self.six)}\n")
    #expect(found == ["b/B.swift:4: copy: 6 lines as at a/A.swift:2"])
    let twice = "func a() {\n\(Self.six)}\nfunc b() {\n\(Self.six)}\n"
    #expect(copies(twice, "").count == 1)
    #expect(copies(twice, twice).count == 3)
  }

  @Test func aCopyIsFoundWhateverStandsBetween() {
    let spread = Self.six.split(separator: "\n").map { "\($0) // why\n\n  }\n" }.joined()
    #expect(copies(Self.six, spread).count == 1)
    let five = String(Self.six.split(separator: "\n").dropLast().joined(separator: "\n"))
    #expect(copies(five, five).isEmpty)
    #expect(copies("import A\n" + five, "import A\n" + five).isEmpty)
  }

  @Test func aListedCopyIsExcused() {
    let exception = ToleratedCopy(one: "a/A.swift", other: "b/", reason: "")
    let copy = Finding(.copy, "b/B.swift", 1, "6 lines as at a/A.swift:2")
    #expect(exception.covers(copy))
    #expect(!exception.covers(Finding(.copy, "c/C.swift", 1, copy.says)))
  }

  private func tables(_ page: String) -> [String] {
    var tree = Tree(files: [
      TreeFile("Sources/M/README.md", page),
      TreeFile("Sources/M/Ledger.swift", "struct Ledger {}\nlet rowsMax = 2 * 8 << 10\n"),
      TreeFile("Sources/M/Clock.swift", "struct Instant {}\n"),
      TreeFile("Sources/M/Clock+Wall.swift", "extension Instant {}\n"),
    ])
    tree.folders = ["Sources", "Sources/M"]
    return TableRules.tables(tree).map(\.says)
  }

  @Test func aPageIsHeldAgainstTheCode() {
    let head = "| File | Job |\n|---|---|\n"
    #expect(tables(head + "| `Ledger`, `Clock` | a |\n").isEmpty)
    #expect(tables(head + "| `Ledger.swift` | a |\n| `Instant` | `Clock` |\n").isEmpty)
    #expect(tables(head + "| `L*` | a |\n| `Clock*` | a |\n").isEmpty)
    #expect(tables(head + "| `Clock`, `Ledger`, `Gone` | a |\n") == ["there is no Gone here"])
    #expect(tables(head + "| `Clock` | a |\n") == ["does not speak of Ledger.swift"])
    #expect(tables("| Type | Job |\n|---|---|\n| `Ledger` | `gone` |\n").isEmpty)
  }

  @Test(arguments: [
    ("`rowsMax` 16 KiB", 0), ("`Ledger.rowsMax` (16 384)", 0), ("`rowsMax` rows", 0),
    ("`rowsMax` 16", 1), ("`goneMax` 16 KiB", 1),
  ])
  func aLimitIsHeldAgainstTheCode(_ text: String, _ count: Int) {
    #expect(tables("# M\nLimits: \(text).\n").count == count)
  }

  @Test func aSayingIsHeldAgainstPageAndCode() {
    let tree = Tree(files: [
      TreeFile("Sources/README.md", "# A\nHolds at most\n64 rows.\n"),
      TreeFile("Sources/A.swift", "enum A {\n  static let rowsMax: Int64 = 64\n}\n"),
    ])
    func count(_ words: String, _ value: Int) -> Int {
      let saying = Saying("Sources/README.md", words, "A", "rowsMax", value)
      return TableRules.sayings(tree, [saying]).count
    }
    #expect(count("at most 64 rows", 64) == 0)
    #expect(count("at most 65 rows", 65) == 1)
    #expect(count("at most 64 rows", 65) == 1)
    #expect(count("at least 64 rows", 64) == 1)
  }

  @Test func sizesAreMeasured() {
    let line = "let a = \"\(String(repeating: "x", count: 100))\"\n"
    #expect(SizeRules.longLines(TreeFile("A.swift", line)).count == 1)
    let body = String(repeating: "  a()\n", count: 70)
    #expect(SizeRules.longFunctions(TreeFile("A.swift", "func f() {\n\(body)}\n")).count == 1)
    let short = "func f() {\n\(String(repeating: "  a()\n", count: 68))}\n"
    #expect(SizeRules.longFunctions(TreeFile("A.swift", short)).isEmpty)
    let call = "func f() {\n  a = .init(b)\n}\nstruct S {\n\(body)}\n"
    #expect(SizeRules.longFunctions(TreeFile("A.swift", call)).isEmpty)
    let demand = "protocol P {\n  func f()\n  func g()\n}\nstruct S {\n\(body)}\n"
    #expect(SizeRules.longFunctions(TreeFile("A.swift", demand)).isEmpty)
    #expect(
      SizeRules.longFiles(TreeFile("A.swift", String(repeating: "\n", count: 501))).count == 1)
  }

  @Test func pagesAreRead() {
    var tree = Tree(files: [
      TreeFile("Sources/README.md", "# A\n[b](Base/README.md) [c](gone.md) [d](https://e)\n"),
      TreeFile("Sources/Base/README.md", "# A\n# B\n```\n# C\n```\n"),
      TreeFile("Sources/Wire/A.swift", "\n"),
    ])
    tree.folders = ["Sources", "Sources/Base", "Sources/Wire"]
    tree.top = ["Sources", "docs", ".git"]
    let findings = TreeRules.pages(tree)
    let places = Set(findings.map { "\($0.path):\($0.line)" })
    #expect(places == ["Sources/Wire:0", "Sources/Base/README.md:0", "Sources/README.md:2"])
    #expect(TreeRules.topLevel(tree).map(\.path) == ["docs"])
  }

  @Test func anAllowanceNeedsARuleAndAReason() {
    let marker = Allowance.marker
    let file = TreeFile(
      "A.swift", "// \(marker) escape: the kernel fills it\nlet a = b!\n// \(marker) escape: x\n")
    let allowances = Allowance.all(in: file)
    #expect(allowances.map(\.line) == [1])
    let finding = Finding(.escape, "A.swift", 2, "")
    #expect(allowances.allSatisfy { $0.covers(finding) })
    #expect(!allowances.contains { $0.covers(Finding(.escape, "A.swift", 3, "")) })
    #expect(Allowance.all(in: TreeFile("A.swift", "// \(marker) layers: because I want\n")).isEmpty)
  }

  @Test func textAndCodeAreToldApart() {
    let source = "let a = \"x // \\(b(\"y\")) z\" /* c /* d */ */ + #\"e \" f\"# // g\n"
    let text = SwiftText(Array(source.utf8))
    let code = text.codeLines[0].split(separator: " ").joined(separator: " ")
    #expect(code == "let a = b( ) +")
    let comments = text.commentLines[0]
    #expect(comments.contains("// g") && comments.contains("c /* d */") && !comments.contains("z"))
  }
}
