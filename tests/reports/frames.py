"""A page in frames of some widths, and what a browser says of each."""

import html
import json
import re

DARK = "(prefers-color-scheme: dark)"
WIDTHS = (400, 1366, 1920)
# A frame is as wide as a telephone, which a window cannot be.
FRAMES = """<body>{frames}<script>
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = c => {{ const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(
  v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; }};
const ground = (e, view) => {{ for (; e; e = e.parentElement) {{
  const c = rgb(view.getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c; }} return [255, 255, 255]; }};
function measured(frame) {{
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  const walker = page.createTreeWalker(page.body, 4), boxes = [];
  let contrast = 99, node;
  while ((node = walker.nextNode())) {{
    if (!node.data.trim()) continue;
    const range = page.createRange(); range.selectNodeContents(node);
    const style = view.getComputedStyle(node.parentElement);
    const lines = [...range.getClientRects()].filter(r => r.width > 1 && r.height > 1);
    if (!lines.length) continue;
    lines.forEach(r => boxes.push([node, r]));
    const [a, b] = [light(rgb(style.color)), light(ground(node.parentElement, view))];
    contrast = Math.min(contrast, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }}
  const over = [];
  boxes.forEach(([n, r], i) => boxes.slice(i + 1).forEach(([m, s]) => {{
    if (n !== m && Math.min(r.right, s.right) - Math.max(r.left, s.left) > 1 &&
        Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 2)
      over.push([n.data, m.data]); }}));
  const images = [...page.images];
  return {{width: root.clientWidth, sticks_out: root.scrollWidth - root.clientWidth, over, contrast,
    n_texts: boxes.length, loaded: images.every(i => i.naturalWidth > 0),
    ground: rgb(view.getComputedStyle(page.body).backgroundColor)}};
}}
window.onload = () => {{ const told = document.createElement("pre"); told.id = "told";
  told.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measured));
  document.body.append(told); }};
</script></body>"""


def framed(text, widths):
    """A page with another one in frames of these widths."""
    frames = "".join(
        f'<iframe srcdoc="{html.escape(text)}" style="width: {width}px; height: 900px; '
        'border: 0"></iframe>'
        for width in widths
    )
    return FRAMES.format(frames=frames)


def told_by(shown):
    """What the browser found in each frame, from the page as it has laid it out."""
    told = re.search(r'<pre id="told">(.*?)</pre>', shown, re.S)
    return json.loads(html.unescape(told.group(1)))
