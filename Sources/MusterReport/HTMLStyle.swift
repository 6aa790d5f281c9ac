/// The look of `report.html`, and the filter that needs a script.
enum HTMLStyle {
    static let sheet = """
        :root {
          color-scheme: light dark;
          --page: #f4f5f7; --card: #fff; --ink: #1c2128; --soft: #59636e; --line: #d8dde3; --code: #f0f2f5;
          --link: #0a5dc2;
          --failed: #c9242f; --error: #a3194b; --flaky: #96660a; --infra: #7a3fd0; --passed: #1c7c3c;
          --cancelled: #59636e; --notrun: #6a737d; --skipped: #6a737d; --running: #0a5dc2;
          --onbar: #fff;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #0e1116; --card: #171b22; --ink: #e8ebef; --soft: #9aa4af; --line: #2c333d;
            --code: #0f1319; --link: #74b0ff;
            --failed: #ff6b68; --error: #ff79a8; --flaky: #e3ad3f; --infra: #b894ff; --passed: #56c271;
            --cancelled: #9aa4af; --notrun: #8b95a1; --skipped: #8b95a1; --running: #74b0ff;
            --onbar: #0e1116;
          }
        }
        * { box-sizing: border-box; }
        html { scroll-padding-top: 1rem; }
        body {
          margin: 0; background: var(--page); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
        }
        header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
        h1, h2, h3, p, ul, dl, dd, pre { margin: 0; padding: 0; }
        ul { list-style: none; }
        a { color: var(--link); text-decoration: none; }
        a:hover { text-decoration: underline; }
        :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px; }
        code, pre, .name, .gantt b {
          font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        }
        code { font-size: .93em; white-space: nowrap; }
        .none { color: var(--soft); opacity: .75; }
        .num, time { font-variant-numeric: tabular-nums; white-space: nowrap; }

        .failed { --tone: var(--failed); } .error { --tone: var(--error); } .flaky { --tone: var(--flaky); }
        .infra { --tone: var(--infra); } .passed { --tone: var(--passed); } .cancelled { --tone: var(--cancelled); }
        .notrun { --tone: var(--notrun); } .skipped { --tone: var(--skipped); } .running { --tone: var(--running); }
        .shape { color: var(--tone); font-weight: 700; display: inline-block; min-width: 1.1em; text-align: center; }

        header { display: flex; gap: 20px; padding-top: 36px; padding-bottom: 24px; align-items: flex-start; }
        header > div:last-child { min-width: 0; flex: 1; }
        .mark {
          flex: none; width: 60px; height: 60px; border-radius: 16px; background: var(--tone); color: var(--onbar);
          font-size: 30px; font-weight: 700; display: grid; place-items: center;
        }
        h1 { font-size: 27px; line-height: 1.25; letter-spacing: -.015em; text-wrap: balance; }
        .reason { color: var(--soft); overflow-wrap: anywhere; }
        .facts { display: flex; flex-wrap: wrap; gap: 8px 30px; margin-top: 14px; }
        .facts dt { font-size: 12px; color: var(--soft); }
        .facts dd { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }

        section, details.group {
          background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin-bottom: 16px;
          overflow: hidden;
        }
        .summary { padding: 18px 20px; }
        .strip { display: flex; gap: 2px; height: 14px; border-radius: 7px; overflow: hidden; }
        .strip i { background: var(--tone); flex-basis: 0; min-width: 5px; }
        .strip .failed, .strip .error, .bar.failed, .bar.error { background-image: var(--hatch); }
        :root { --hatch: repeating-linear-gradient(135deg, transparent 0 5px, rgb(255 255 255 / .2) 5px 8px); }
        .counts { display: flex; flex-wrap: wrap; gap: 8px 10px; margin-top: 14px; align-items: center; }
        .counts li { border: 1px solid var(--line); border-radius: 99px; white-space: nowrap; }
        .counts li.none { padding: 3px 14px 3px 10px; }
        .counts a { display: block; padding: 3px 14px 3px 10px; color: inherit; border-radius: 99px; }
        .counts li.jump { border-color: transparent; color: var(--link); }
        .counts li.jump a { padding: 3px 6px; }
        .counts a:hover { background: var(--code); text-decoration: none; }
        .search { margin-top: 14px; }
        .search input {
          width: 100%; padding: 8px 12px; font: inherit; color: inherit; background: var(--code);
          border: 1px solid var(--line); border-radius: 8px;
        }
        .graph { overflow-x: auto; padding: 4px 12px; }
        .graph svg { display: block; max-width: max(100%, 900px); height: auto; }
        .setup td:first-child, .setup .note { overflow-wrap: anywhere; }
        .empty { padding: 24px 0; color: var(--soft); }

        h2 { font-size: 17px; line-height: 1.4; display: inline; }
        h2 small { font-size: 13px; font-weight: 500; color: var(--soft); margin-left: 4px; }
        summary { padding: 13px 20px; cursor: pointer; }
        summary::marker { color: var(--soft); font-size: .8em; }
        summary:hover { background: color-mix(in srgb, var(--code) 55%, transparent); }
        .problems { border-left: 4px solid var(--infra); padding: 13px 20px; }
        .problems .shape { --tone: var(--infra); }
        .problems li { margin-top: 6px; overflow-wrap: anywhere; white-space: pre-line; }
        .why { padding: 0 20px 10px; color: var(--soft); overflow-wrap: anywhere; }
        .names { padding: 0 20px 14px; columns: 2 320px; }
        .names li { break-inside: avoid; }

        .test {
          border-top: 1px solid var(--line); padding: 14px 20px 6px; border-left: 4px solid var(--tone);
          content-visibility: auto; contain-intrinsic-size: auto 160px;
        }
        .test:target, tr:target td, li:target { background: color-mix(in srgb, var(--link) 10%, transparent); }
        h3 { font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
        h3 small { font-size: 13px; font-weight: 400; color: var(--soft); margin-left: 8px; white-space: nowrap; }
        .name { font-size: .95em; overflow-wrap: anywhere; }
        .suite { color: var(--soft); font-weight: 400; }
        .chip {
          font: 600 12px/1.5 system-ui, "Noto Sans", "DejaVu Sans", sans-serif;
          border: 1px solid currentColor; color: var(--tone, var(--soft)); border-radius: 99px;
          padding: 0 8px;
          white-space: nowrap; vertical-align: 1px;
        }
        table { width: 100%; border-collapse: collapse; font-size: 14px; }
        th {
          text-align: left; font-weight: 500; color: var(--soft); font-size: 12px; padding: 6px 12px 4px 0;
          white-space: nowrap;
        }
        td { padding: 5px 12px 5px 0; vertical-align: top; border-top: 1px solid var(--line); }
        td a { overflow-wrap: anywhere; }
        .tries {
          list-style: none; padding: 0; margin: 8px 0; display: grid; gap: 10px; align-items: start;
          grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr));
        }
        .try { border: 1px solid var(--line); border-top: 3px solid var(--tone); border-radius: 8px; padding: 8px 12px; }
        .try > * + * { margin-top: 5px; }
        .what { display: flex; gap: 6px; } .what .num { margin-left: auto; color: var(--soft); }
        .where { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
        .where time { margin-left: 6px; }
        .line code { white-space: pre-wrap; overflow-wrap: anywhere; color: var(--tone); font-weight: 600; }
        .links, .parts { font-size: 14px; overflow-wrap: anywhere; }
        .parts summary { padding: 4px 0; } .parts td:first-child { overflow-wrap: anywhere; }
        .parts table { max-height: 30em; overflow: auto; display: block; }
        .more td { border-top: 0; padding: 0 20px 6px 41px !important; }
        .past { font-size: 12px; letter-spacing: 1px; margin-left: 8px; white-space: nowrap; }
        .past i { font-style: normal; color: var(--tone); }
        .attempts { margin: 6px 0 6px; }
        .attempts th:first-child, .attempts td:first-child { padding-left: 21px; width: 92px; }
        .attempts th:nth-child(2) { width: 9em; } .attempts th:nth-child(3) { width: 8em; }
        .attempts th:nth-child(4), .attempts th:nth-child(5) { width: 7em; }
        .note td { border-top: 0; padding: 0 12px 8px 21px !important; }
        pre {
          background: var(--code); border-radius: 8px; padding: 9px 12px; font-size: 13px; line-height: 1.45;
          max-height: 22em;
          overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext;
        }
        .compact th:first-child, .compact td:first-child { padding-left: 20px; }
        .compact th { border-top: 1px solid var(--line); }
        .compact td:first-child { overflow-wrap: anywhere; }
        .said { color: var(--soft); font-size: 13px; padding-left: 1.5em; white-space: pre-line; }

        .gantt {
          padding: 2px 20px 0; display: grid; grid-template-columns: minmax(64px, max-content) 1fr;
          column-gap: 12px;
        }
        .gantt > div { display: contents; }
        .gantt b {
          font-weight: 500; font-size: 13px; line-height: 28px; max-width: 220px; overflow: hidden;
          text-overflow: ellipsis; white-space: nowrap;
        }
        .gantt > div > div { position: relative; min-height: 28px; border-top: 1px solid var(--line); }
        .gantt .axis > b { line-height: 20px; }
        .gantt .axis > div { min-height: 20px; border: 0; }
        .tick {
          position: absolute; transform: translateX(-50%); font-size: 12px; color: var(--soft);
          white-space: nowrap;
        }
        .tick.first { transform: none; } .tick.last { transform: translateX(-100%); }
        .gantt u { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--line); }
        .bar {
          position: absolute; top: 4px; bottom: 4px; min-width: 4px; border-radius: 4px; background-color: var(--tone);
          color: var(--onbar); font-size: 12px; line-height: 20px; text-align: center; overflow: hidden;
          box-shadow: 0 0 0 1px var(--card);
        }
        .bar:hover { filter: brightness(1.15); text-decoration: none; z-index: 1; }
        .legend { padding: 8px 20px 0; font-size: 13px; color: var(--soft); }
        .legend:last-child { padding-bottom: 14px; }
        #nomatch { color: var(--soft); padding: 8px 0 24px; }
        footer { color: var(--soft); font-size: 13px; padding-top: 6px; padding-bottom: 40px; }
        [hidden] { display: none !important; }

        @media (max-width: 640px) {
          header, main, footer { padding-left: 12px; padding-right: 12px; }
          header { padding-top: 20px; padding-bottom: 16px; gap: 14px; }
          .mark { width: 44px; height: 44px; border-radius: 12px; font-size: 22px; }
          h1 { font-size: 21px; }
          .facts { gap: 6px 22px; margin-left: -58px; }
          .wide, .tick.odd { display: none; }
          .summary, summary, .problems { padding-left: 14px; padding-right: 14px; }
          .test { padding-left: 12px; padding-right: 12px; }
          .attempts th:first-child, .attempts td:first-child { padding-left: 2px; width: auto; }
          .note td { padding: 0 0 8px !important; }
          .attempts th { width: auto !important; }
          .attempts td, .attempts th { padding-right: 8px; }
          .compact th:first-child, .compact td:first-child, .gantt { padding-left: 14px; }
          .gantt { padding-right: 14px; column-gap: 8px; }
          .gantt b { max-width: 90px; }
        }
        @media print {
          body { background: #fff; } .search { display: none; }
          section, details.group { border-color: #bbb; break-inside: auto; }
          .test { break-inside: avoid; } pre { max-height: none; }
        }

        """

    /// Shows what matches every word of the filter; opens what is collapsed while there is one.
    static let script = """
        (function () {
          var input = document.getElementById("q");
          if (!input) return;
          input.form.hidden = false;
          var rows = Array.prototype.slice.call(document.querySelectorAll("[data-k]"));
          var keys = rows.map(function (row) { return row.getAttribute("data-k").toLowerCase(); });
          var groups = Array.prototype.slice.call(document.querySelectorAll("details.group:not(.timeline)"));
          var wasOpen = groups.map(function (group) { return group.open; });
          var filtering = false;
          function apply() {
            var words = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
            if (words.length && !filtering) wasOpen = groups.map(function (group) { return group.open; });
            rows.forEach(function (row, index) {
              row.hidden = !words.every(function (word) { return keys[index].indexOf(word) >= 0; });
            });
            var any = !words.length;
            groups.forEach(function (group, index) {
              var some = group.querySelector("[data-k]:not([hidden])") !== null;
              group.hidden = !some;
              any = any || some;
              if (words.length) group.open = true; else if (filtering) group.open = wasOpen[index];
            });
            filtering = words.length > 0;
            document.getElementById("nomatch").hidden = any;
          }
          input.form.addEventListener("submit", function (event) { event.preventDefault(); });
          input.addEventListener("input", apply);
          document.addEventListener("keydown", function (event) {
            if (event.key === "/" && document.activeElement !== input) { event.preventDefault(); input.focus(); }
            if (event.key === "Escape" && document.activeElement === input) { input.value = ""; apply(); input.blur(); }
          });
          function reveal() {
            var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
            var group = target && target.closest("details");
            if (group) { group.open = true; target.scrollIntoView({ block: "nearest" }); }
          }
          window.addEventListener("hashchange", reveal);
          reveal();
        })();

        """
}
