/// The one asset; served to anybody, since it says nothing.
enum StyleSheet {
  static let path = "/admin/static/style.css"

  static let text = """
    :root { color-scheme: light dark; --line: #8886; --quiet: #707070; --accent: #0b57d0; }
    * { box-sizing: border-box; }
    body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
    nav { display: flex; flex-wrap: wrap; gap: 1.25rem; padding: .75rem 1rem; }
    nav { border-bottom: 1px solid var(--line); }
    nav a { text-decoration: none; }
    nav a[aria-current] { font-weight: 600; border-bottom: 2px solid var(--accent); }
    .banner { margin: 0; padding: .75rem 1rem; background: #8a1c1c; color: #fff; }
    section { margin: 1.5rem 0; }
    label { display: block; margin-top: .75rem; font-weight: 600; }
    input, select, button { font: inherit; padding: .3rem .6rem; }
    main > section > form > button, .login button { display: block; margin-top: 1rem; }
    .login { max-width: 24rem; margin: 10vh auto; }
    .login input { width: 100%; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; }
    th, td { text-align: left; padding: .4rem .6rem; vertical-align: top; }
    th, td { border-bottom: 1px solid var(--line); }
    td form { display: inline-block; margin: 0 .25rem .25rem 0; }
    .number { text-align: right; font-variant-numeric: tabular-nums; }
    .short { width: 7rem; }
    .quiet { color: var(--quiet); }
    .fault { color: #b3261e; }
    .saved { color: #1b6e3c; }
    .danger { color: #b3261e; }
    .new-key { padding: 1rem; border: 2px solid #1b6e3c; }
    .new-key code { overflow-wrap: anywhere; font-size: 1.1rem; }
    .state.disabled, .state.expired { color: #b3261e; }
    .dot { display: inline-block; width: .75rem; height: .75rem; border-radius: 50%; }
    .dot.good { background: #1b8a45; }
    .dot.bad { background: #b3261e; }
    .tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
    .tile { flex: 1 1 12rem; padding: .75rem 1rem; border: 1px solid var(--line); }
    .tile p { margin: 0; }
    .figure { font-size: 1.6rem; font-weight: 600; }
    pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--line); }

    """
}
