/** onTheme calls redraw when the theme changes, and returns what ends that. */
export function onTheme(redraw: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = new MutationObserver(redraw);
  dark.addEventListener("change", redraw);
  chosen.observe(document.documentElement, { attributes: true });
  return () => {
    dark.removeEventListener("change", redraw);
    chosen.disconnect();
  };
}
