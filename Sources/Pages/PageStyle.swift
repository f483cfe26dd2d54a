/// The page's whole style: one palette for light, one for dark; print uses the light one.
package enum PageStyle {
  package static let css = """
    :root { color-scheme: light dark; --paper: #fff; --ink: #1b2330; --soft: #5b6675; --rule: #dfe4ea; --grid: #e9edf1; --panel: #f6f8fa;
      --kl: #0b64a8; --proxy: #7d8a99; --attention: #0b64a8; --mlp: #c95a05; --drop: #b3261e; --error: #1b2330; --ridge: #6f93b8; --link: #0b64a8;
      --h0: #f2f6fb; --h1: #dde9f5; --h2: #c3d9ec; --h3: #a1c5e1; --h4: #78aad2; --h5: #4f8dc0; --h6: #2f70aa; --h7: #17528b; --h8: #083569; --low: #14202e; --high: #fff; }
    @media screen and (prefers-color-scheme: dark) {
      :root { --paper: #12161c; --ink: #e4e9ef; --soft: #9aa6b4; --rule: #2c3540; --grid: #242c36; --panel: #1a2028;
        --kl: #5fb0f0; --proxy: #8c98a7; --attention: #5fb0f0; --mlp: #f09a4a; --drop: #ff8a80; --error: #e4e9ef; --ridge: #4f79a5; --link: #7fc0f5;
        --h0: #18202a; --h1: #1b2e42; --h2: #1d3d5b; --h3: #1f4f78; --h4: #256495; --h5: #377fb4; --h6: #5b9fd0; --h7: #8fc3e6; --h8: #cfe8fb; --low: #e4e9ef; --high: #08111a; }
    }
    * { box-sizing: border-box }
    body { margin: 0 auto; max-width: 1240px; padding: 28px 20px 60px; background: var(--paper); color: var(--ink);
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
    h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; font-weight: 650 }
    h2 { font-size: 18px; margin: 44px 0 2px; font-weight: 650 }
    p { margin: 6px 0; max-width: 76ch } .note, .key, figcaption { color: var(--soft); font-size: 13.5px } .note { margin-bottom: 14px }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(138px, 1fr)); gap: 12px 24px; margin: 18px 0; padding: 14px 0;
      border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule) }
    dt { color: var(--soft); font-size: 12.5px } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
    ul.summary { padding-left: 20px; margin: 12px 0; max-width: 84ch } ul.summary li { margin: 5px 0 }
    .panels { display: flex; flex-wrap: wrap; gap: 18px 12px; align-items: flex-start }
    .panels.wide { gap: 22px 40px } .scatters { gap: 26px 20px }
    svg { max-width: 100%; height: auto; display: block; flex: 0 1 auto; min-width: 0 } svg.fixed { max-width: none }
    .proxies { display: contents } .proxies svg { flex: 0 1 178px }
    svg text { font-family: inherit; fill: var(--ink); font-size: 12px; font-variant-numeric: tabular-nums }
    svg .title { font-weight: 600; font-size: 13px } svg .unit, svg .tick { fill: var(--soft); font-size: 11px }
    svg .label { font-size: 12px } svg .value { font-size: 11px; fill: var(--soft) } svg .strong { font-weight: 700; fill: var(--drop) }
    svg .cell { font-size: 10.5px } svg .tag { font-size: 10px; fill: var(--soft) }
    .grid { stroke: var(--grid) } .axis { stroke: var(--soft); fill: none } .error { stroke: var(--error); fill: none; stroke-width: 1.2 }
    .halo { stroke: var(--paper); fill: none; stroke-width: 3.4; stroke-opacity: .75 }
    .marker { stroke: var(--drop); stroke-dasharray: 3 3 } .kl { fill: var(--kl) } .proxy { fill: var(--proxy) }
    .kl.cut { fill: url(#hatch-drop); stroke: var(--drop) } .proxy.cut { fill: url(#hatch-drop); stroke: var(--drop) }
    .kl.stays { stroke: var(--ink); stroke-width: 2.2 } .attention { fill: var(--attention) } .mlp { fill: url(#hatch-mlp); stroke: var(--mlp) }
    .ridge { fill: var(--ridge) } .point { fill: var(--kl); fill-opacity: .85 }
    .h0 { fill: var(--h0) } .h1 { fill: var(--h1) } .h2 { fill: var(--h2) } .h3 { fill: var(--h3) } .h4 { fill: var(--h4) }
    .h5 { fill: var(--h5) } .h6 { fill: var(--h6) } .h7 { fill: var(--h7) } .h8 { fill: var(--h8) }
    svg .t0, svg .t1, svg .t2, svg .t3, svg .t4 { fill: var(--low) } svg .t5, svg .t6, svg .t7, svg .t8 { fill: var(--high) }
    .legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 10px; padding: 0; list-style: none; font-size: 13px; color: var(--soft) }
    .legend svg { display: inline-block; vertical-align: -1px; margin-right: 6px }
    .scroll { overflow-x: auto; margin: 8px 0 } .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
    table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums } caption { text-align: left; color: var(--soft); padding: 0 0 6px }
    th, td { padding: 4px 12px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule) } thead th { color: var(--soft); font-weight: 600; vertical-align: bottom }
    tbody th { font-weight: 600; text-align: right } tr.marked th { color: var(--drop) }
    details { margin: 10px 0 } summary { cursor: pointer; color: var(--link); font-size: 13.5px }
    footer { margin-top: 48px; border-top: 1px solid var(--rule); padding-top: 10px; color: var(--soft); font-size: 13px }
    @media (max-width: 560px) { .proxies svg { flex-basis: 46% } svg:not(.fixed) .title { font-size: 15px } svg:not(.fixed) .label { font-size: 14px }
      svg:not(.fixed) .tick, svg:not(.fixed) .unit, svg:not(.fixed) .value, svg:not(.fixed) .tag { font-size: 13px } }
    @media print { body { max-width: none; padding: 0; font-size: 11pt } section, svg { break-inside: avoid } .scroll { overflow: visible } svg.fixed { max-width: 100% } }
    """

  package static let seriesColours = 8

  /// Colours of things that are compared: `s0` to `s7`, for who draws any.
  package static let series = """
    :root { --s0: #0b64a8; --s1: #c95a05; --s2: #1a7f4b; --s3: #9b3fa5; --s4: #b3261e; --s5: #8a6d00; --s6: #0b7f88; --s7: #626b76 }
    @media screen and (prefers-color-scheme: dark) {
      :root { --s0: #5fb0f0; --s1: #f09a4a; --s2: #5cc68d; --s3: #d18be0; --s4: #ff8a80; --s5: #d9b84a; --s6: #55c9d2; --s7: #a8b1bc }
    }
    \((0..<seriesColours).map { ".s\($0) { fill: var(--s\($0)) }" }.joined(separator: " "))
    """

  /// Fills that stay apart without colour; defined once, used by every drawing.
  package static let patterns = """
    <svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>
    <pattern id="hatch-mlp" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="var(--paper)"/><rect width="2.6" height="5" fill="var(--mlp)"/></pattern>
    <pattern id="hatch-drop" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect width="5" height="5" fill="var(--paper)"/><rect width="2" height="5" fill="var(--drop)"/></pattern>
    </defs></svg>
    """
}
