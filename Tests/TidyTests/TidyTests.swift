import Testing

@Suite("The house rules hold")
struct TidyTests {
  static let tree = Tree.repository
  static let allowances = tree.files.flatMap { Allowance.all(in: $0) }

  /// What is found and not allowed where it stands.
  static func unexcused(_ rules: [FileRule]) -> [Finding] {
    let found = tree.files.flatMap { file in rules.flatMap { $0(file) } }
    return found.filter { finding in !allowances.contains { $0.covers(finding) } }
  }

  static func list(_ findings: [Finding]) -> Comment {
    Comment(rawValue: findings.map(\.description).joined(separator: "\n"))
  }

  @Test func theTreeIsSeen() {
    let swiftFiles = Self.tree.files.filter(\.isSwift).count
    #expect(swiftFiles > 100)
    #expect(Self.tree.files.contains { $0.path == "Sources/Base/PMSystem/EventLoop.swift" })
  }

  @Test func codeKeepsTheRules() {
    let findings = Self.unexcused(CodeRules.all)
    #expect(findings.isEmpty, Self.list(findings))
  }

  @Test func textKeepsTheRules() {
    let findings = Self.unexcused(TextRules.all)
    #expect(findings.isEmpty, Self.list(findings))
  }

  @Test func whatIsLongHasAReason() {
    let findings = Self.unexcused(SizeRules.all)
    #expect(findings.isEmpty, Self.list(findings))
  }

  @Test func theTreeKeepsTheRules() {
    let findings =
      TreeRules.topLevel(Self.tree) + TreeRules.pages(Self.tree)
      + TreeRules.targets(Self.tree)
    #expect(findings.isEmpty, Self.list(findings))
  }

  @Test func whatIsDeclaredIsNamed() {
    let findings = UnusedRules.unused(Self.tree)
    #expect(findings.isEmpty, Self.list(findings))
  }

  @Test func nothingIsWrittenTwice() {
    let findings = CopyRules.copies(Self.tree)
    let unexcused = CopyRules.unexcused(findings)
    #expect(unexcused.isEmpty, Self.list(unexcused))
    for copy in Exceptions.copies {
      #expect(findings.contains { copy.covers($0) }, "excuses nothing any more: \(copy)")
    }
  }

  @Test func pagesTellWhatIsThere() {
    let findings = TableRules.tables(Self.tree) + TableRules.sayings(Self.tree, Exceptions.sayings)
    #expect(findings.isEmpty, Self.list(findings))
  }

  /// Exceptions are reviewed like code, so they are printed; those that excuse nothing must go.
  @Test func exceptionsAreInUse() {
    let rules = CodeRules.all + TextRules.all + SizeRules.all
    let found = Self.tree.files.flatMap { file in rules.flatMap { $0(file) } }
    let idle = Self.allowances.filter { allowance in !found.contains { allowance.covers($0) } }
    print("Exceptions from the house rules: \(Self.allowances.count)")
    for allowance in Self.allowances {
      print(
        "  \(allowance.path):\(allowance.line): \(allowance.rule.rawValue): \(allowance.reason)")
    }
    #expect(idle.isEmpty, "these excuse nothing any more: \(idle)")
  }
}
