"""Pictures of every section of a page, wide and narrow, light and dark.

python tests/explorer/support/shoot.py PAGE.html OUTDIR [SECTION…]   # SECTION may be size?machine=… or ?embed=FIGURE
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from browser import HEIGHTS_PX, SECTIONS, THEMES, context_of, layout_faults, open_browser
from visits import Visit


def main() -> None:
    file, folder, wanted = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or list(SECTIONS)
    folder.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for theme in THEMES:
            for width_px in HEIGHTS_PX:
                visit = Visit(context_of(browser, width_px, theme).new_page())
                visit.listen()
                for section in wanted:
                    visit.to(file.absolute().as_uri() + (section if section.startswith("?") else f"#{section}"))
                    name = f"{re.sub(r'[^a-zA-Z0-9]+', '-', section).strip('-')}-{width_px}-{theme}"
                    visit.page.screenshot(path=folder / f"{name}.png", full_page=True)
                    print(name)
                    for fault in (*visit.noise, *layout_faults(visit.page)):
                        print("   ", fault)
                    visit.noise.clear()
                visit.page.context.close()


if __name__ == "__main__":
    main()
