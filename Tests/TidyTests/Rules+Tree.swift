/// The rules about the tree as a whole.
enum TreeRules {
  static let topNames: Set<String> = [
    "Package.swift", "Sources", "Tests", "appliance", "image", "provisioning", "README.md",
    "SECURITY.md", "LICENSE",
  ]

  static func topLevel(_ tree: Tree) -> [Finding] {
    tree.top.filter { !$0.hasPrefix(".") && !topNames.contains($0) }
      .map { Finding(.topLevel, $0, 0, "nothing else lives at the top") }
  }

  /// Folders that must say what they are.
  static func needsPage(_ folder: String) -> Bool {
    let parts = folder.split(separator: "/")
    return switch parts.first {
    case "Sources": parts.count <= 3
    case "Tests": parts.count <= 2 || (parts.count == 3 && parts[1] == "Support")
    case "appliance", "image", "provisioning": parts.count <= 2
    default: false
    }
  }

  static func pages(_ tree: Tree) -> [Finding] {
    let paths = Set(tree.files.map(\.path))
    // A folder that git would not keep is no folder, and a bare `main.swift` needs no words.
    let missing = tree.folders.filter { folder in
      needsPage(folder) && !paths.contains("\(folder)/README.md")
        && tree.files.contains { $0.isIn(folder) && $0.name != "main.swift" }
    }
    .map { Finding(.pages, $0, 0, "README.md is missing") }
    return missing + tree.files.filter(\.isPage).flatMap { page($0, paths, Set(tree.folders)) }
  }

  private static func page(
    _ file: TreeFile, _ paths: Set<String>, _ folders: Set<String>
  ) -> [Finding] {
    var findings: [Finding] = []
    var titles = 0
    var isCode = false
    for (index, line) in file.lines.enumerated() {
      if line.hasPrefix("```") { isCode.toggle() }
      if isCode { continue }
      if line.hasPrefix("# ") { titles += 1 }
      for target in links(in: line) {
        let path = resolve(target, in: file.folder)
        if !paths.contains(path), !folders.contains(path) {
          findings.append(Finding(.pages, file.path, index + 1, "\(target) leads nowhere"))
        }
      }
    }
    if titles != 1 { findings.append(Finding(.pages, file.path, 0, "\(titles) titles")) }
    return findings
  }

  /// Targets of `[text](target)` within the repository.
  static func links(in line: Substring) -> [String] {
    var targets: [String] = []
    for piece in line.split(separator: "](", omittingEmptySubsequences: false).dropFirst() {
      guard let end = piece.firstIndex(of: ")") else { continue }
      let target = piece[..<end].split(separator: "#", omittingEmptySubsequences: false).first ?? ""
      if target.isEmpty || target.contains(":") { continue }
      targets.append(String(target))
    }
    return targets
  }

  static func resolve(_ target: String, in folder: String) -> String {
    var parts = target.hasPrefix("/") ? [] : folder.split(separator: "/").map(String.init)
    for part in target.split(separator: "/") {
      switch part {
      case ".": break
      case "..": _ = parts.popLast()
      default: parts.append(String(part))
      }
    }
    return parts.joined(separator: "/")
  }

  /// Source folders that no target of the package names.
  static func targets(_ tree: Tree) -> [Finding] {
    guard let package = tree.files.first(where: { $0.path == "Package.swift" }) else { return [] }
    let modules = Set(tree.files.filter(\.isSwift).compactMap { Layers.module(of: $0.path) })
    return modules.sorted().filter { !package.mentions("\"\($0)\"") }
      .map { Finding(.dead, $0, 0, "a module that no target names") }
  }
}
