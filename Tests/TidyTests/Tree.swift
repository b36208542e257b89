import Glibc

/// A file of the repository, as the rules see it.
struct TreeFile: Sendable {
  /// Relative to the top of the repository.
  let path: String
  let bytes: [UInt8]
  let isExecutable: Bool
  let text: String
  let lines: [Substring]
  /// Nil for what is not Swift.
  let swift: SwiftText?

  init(_ path: String, bytes: [UInt8], isExecutable: Bool) {
    (self.path, self.bytes, self.isExecutable) = (path, bytes, isExecutable)
    text = String(decoding: bytes, as: UTF8.self)
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    swift = path.hasSuffix(".swift") ? SwiftText(bytes) : nil
  }
  init(_ path: String, _ text: String) {
    self.init(path, bytes: Array(text.utf8), isExecutable: false)
  }

  /// True if the phrase stands anywhere; a quick way past the files that cannot break a rule.
  func mentions(_ phrase: String) -> Bool {
    // Both are terminated strings that live as long as the call.
    unsafe text.withCString { all in
      unsafe phrase.withCString { unsafe strstr(all, $0) != nil }
    }
  }
  var name: String { String(path.split(separator: "/").last ?? "") }
  var folder: String { path.split(separator: "/").dropLast().joined(separator: "/") }
  /// Empty without a dot.
  var fileExtension: String {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count > 1 ? String(parts[parts.count - 1]) : ""
  }
  var isSwift: Bool { swift != nil }
  var isPython: Bool { fileExtension == "py" }
  var isPage: Bool { fileExtension == "md" }
  func isIn(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }
}

/// Everything that belongs to the repository. Build folders and dotfiles at the top are left out.
struct Tree: Sendable {
  var files: [TreeFile]
  var folders: [String]
  /// Names at the top, dotfiles included.
  var top: [String]

  static let filesMax = 5000
  private static let skippedFolders: Set<String> = [
    ".git", ".build", ".venv", "__pycache__", "node_modules", ".pytest_cache",
  ]

  /// The repository that holds this very file.
  static let repository: Tree = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return Tree(root: "/" + parts.joined(separator: "/"))
  }()

  init(files: [TreeFile]) {
    self.files = files
    folders = []
    top = []
  }

  private init(root: String) {
    self.init(files: [])
    top = Self.entries(of: root).map(\.name)
    walk(root, "")
    files.sort { $0.path < $1.path }
    folders.sort()
  }

  private mutating func walk(_ root: String, _ folder: String) {
    for entry in Self.entries(of: folder.isEmpty ? root : "\(root)/\(folder)") {
      let path = folder.isEmpty ? entry.name : "\(folder)/\(entry.name)"
      if Self.skippedFolders.contains(entry.name) || entry.name.hasPrefix(".build") { continue }
      if entry.isFolder {
        folders.append(path)
        walk(root, path)
      } else if files.count < Self.filesMax, let bytes = Self.read("\(root)/\(path)") {
        let isExecutable = unsafe access("\(root)/\(path)", X_OK) == 0
        files.append(TreeFile(path, bytes: bytes, isExecutable: isExecutable))
      }
    }
  }

  private static func entries(of path: String) -> [(name: String, isFolder: Bool)] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var entries: [(String, Bool)] = []
    while let entry = unsafe readdir(folder) {
      // d_name is terminated within the entry.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      entries.append((name, unsafe entry.pointee.d_type == UInt8(DT_DIR)))
    }
    return entries
  }

  private static func read(_ path: String) -> [UInt8]? {
    guard let file = unsafe fopen(path, "r") else { return nil }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe fread(&chunk, 1, chunk.count, file)
      if count == 0 { return bytes }
      bytes += chunk[0..<count]
    }
  }
}
