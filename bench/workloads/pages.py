"""The website's pages. A change here is another image: it deserves another tag."""

from __future__ import annotations

INDEX_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The weight of the empty box</title>
<link rel="stylesheet" href="style.css">
<link rel="icon" href="scale.svg">
</head>
<body>
<header>
<img src="scale.svg" alt="" width="64" height="64">
<h1>The weight of the empty box</h1>
</header>
<main>
<p>This page comes out of a box: a container, a virtual machine, or nothing but a process on the host.
The page is the same in each, to the byte, and so is the program that serves it. What differs is the box.</p>
<h2>Gross, net, tare</h2>
<p>A merchant who sells coffee by the jar weighs the full jar (gross), subtracts the coffee (net), and is left
with the jar (tare). Nobody wants to pay for the jar, so it had better be known. Computers are let by the jar
as well: each application comes in its own box, and the box takes memory, time to open, and room on disk.</p>
<ul>
<li><b>Memory</b>: what one more box takes from the host, beside what the application takes anyway.</li>
<li><b>Time</b>: from asking for the box to the first answer of the application in it.</li>
<li><b>Density</b>: how many boxes fit before the first limit binds, and which limit that is.</li>
</ul>
<h2>What is on the scale here</h2>
<p>One small web server, one page, one style sheet and one drawing. It is a light load on purpose: the
lighter the load, the better the box is seen.</p>
</main>
</body>
</html>
"""

STYLE_CSS = """\
body { margin: 0 auto; max-width: 42rem; padding: 1rem; font: 1rem/1.6 Georgia, serif; color: #222; }
header { display: flex; align-items: center; gap: 1rem; border-bottom: 1px solid #ccc; }
h1 { font-size: 1.8rem; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
li { margin: 0.4rem 0; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; }
  header { border-color: #444; }
}
"""

SCALE_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" fill="none" stroke="#888" stroke-width="3">
<path d="M32 8v44M18 56h28M12 18h40"/>
<path d="M4 36l8-18 8 18z"/><path d="M4 36a8 6 0 0 0 16 0z" fill="#888"/>
<path d="M44 36l8-18 8 18z"/><path d="M44 36a8 6 0 0 0 16 0z"/>
</svg>
"""

PAGES = {"index.html": INDEX_HTML, "style.css": STYLE_CSS, "scale.svg": SCALE_SVG}
