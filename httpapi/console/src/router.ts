// The view is in the fragment of the address: #/executions?status=Failed.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export interface Route {
  path: string[];
  query: URLSearchParams;
}

/** route is the view that the address names. */
export const route = computed<Route>(() => {
  const [path, query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
});

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** href returns the address of a view. Parameters without a value are left out. */
export function href(path: string[], query: Record<string, string | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  return `#/${path.map(encodeURIComponent).join("/")}${search.size ? `?${search}` : ""}`;
}

export function go(path: string[], query?: Record<string, string | undefined>): void {
  location.hash = href(path, query);
}

/** setQuery changes parameters of the present view; an empty value removes one. */
export function setQuery(changes: Record<string, string>): void {
  history.replaceState(null, "", href(route.value.path, { ...Object.fromEntries(route.value.query), ...changes }));
  hash.value = location.hash;
}
