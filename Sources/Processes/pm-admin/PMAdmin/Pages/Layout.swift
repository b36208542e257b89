/// The tabs, by their words and in their order.
enum Tab: String, CaseIterable {
  case keys = "API Keys"
  case settings = "Settings"
  case usage = "Usage & Costs"
  case attestation = "Attestation"
  case documentation = "Documentation"
  case logout = "Logout"

  var path: String {
    switch self {
    case .keys: "/admin"
    case .settings: "/admin/settings"
    case .usage: "/admin/usage"
    case .attestation: "/admin/attestation"
    case .documentation: "/admin/about"
    case .logout: "/admin/logout"
    }
  }
}

/// The frame that every page has.
struct Layout {
  /// False in the development profile; every page then says so.
  var isProduction: Bool

  func page(_ title: String, tab: Tab? = nil, _ content: HTML) -> HTML {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(title) - Privatemode</title>
    <link rel="stylesheet" href="/admin/static/style.css">
    </head>
    <body>
    \(isProduction ? .empty : Self.notAttested)
    \(tab.map { Self.navigation($0) } ?? .empty)
    <main>
    \(content)
    </main>
    </body>
    </html>

    """
  }

  static let notAttested: HTML = """
    <p class="banner" role="alert"><strong>Not attested.</strong> This appliance runs in the \
    development profile: no hardware evidence was checked, the certificate is self-signed unless \
    another was configured, and the vendor may be a stand-in. Do not send it anything private.</p>
    """

  private static func navigation(_ current: Tab) -> HTML {
    let links = Tab.allCases.map { tab -> HTML in
      tab == current
        ? "<a href=\"\(tab.path)\" aria-current=\"page\">\(tab.rawValue)</a>"
        : "<a href=\"\(tab.path)\">\(tab.rawValue)</a>"
    }
    return "<nav aria-label=\"Administration\">\(links)</nav>"
  }

  /// A page that says one thing, such as what is not there.
  func notice(_ title: String, _ sentence: String) -> HTML {
    page(
      title,
      """
      <h1>\(title)</h1>
      <p>\(sentence)</p>
      <p><a href="/admin">API Keys</a></p>
      """)
  }
}

/// Small pieces that several pages use.
enum Piece {
  /// The hidden field that scripts look for in this very form.
  static func token(_ token: String) -> HTML {
    "<input type=\"hidden\" name=\"csrf_token\" value=\"\(token)\">"
  }

  static func fault(_ text: String?) -> HTML {
    text.map { "<p class=\"fault\" role=\"alert\">\($0)</p>" } ?? .empty
  }

  static func option(_ value: String, _ label: String, isChosen: Bool) -> HTML {
    isChosen
      ? "<option value=\"\(value)\" selected>\(label)</option>"
      : "<option value=\"\(value)\">\(label)</option>"
  }
}
