import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "./ui";

export interface PageProps {
  view: string;
  rest: string[]; // of the path
}

export type Load = () => Promise<{ default: ComponentType<PageProps> }>;

/** Lazy shows a page whose code is loaded when it is first shown. */
export function Lazy({ load, props }: { load: Load; props: PageProps }) {
  const [page, setPage] = useState<{ of?: ComponentType<PageProps>; error?: Error }>({});
  useEffect(() => {
    load().then((m) => setPage({ of: m.default }), (error) => setPage({ error }));
  }, []);
  if (page.error) return <Problem error={page.error} />;
  const Of = page.of;
  return Of ? <Of {...props} /> : null;
}
