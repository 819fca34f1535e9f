/** What says how a model is run, or which build of it, and not which one it is: the window that was asked for, Bedrock's version, a date. */
const decorations: readonly RegExp[] = [/\[1m\]$/, /-v\d:\d$/, /[-@]20\d\d-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$/];

/** The same model by shorter and shorter names, the told one first: `m-20250929[1m]`, `m-20250929`, `m`. */
export function spellings(model: string): readonly string[] {
  const names = [model.trim().toLowerCase()];
  for (const decoration of decorations) {
    const shorter = (names.at(-1) ?? '').replace(decoration, '');
    if (!names.includes(shorter)) names.push(shorter);
  }
  return names;
}

/** Who may be meant by a name, in order: whoever is said to serve it, and whoever the name itself begins with. */
export function readings(model: string, provider: string | undefined): readonly { readonly name: string; readonly provider?: string }[] {
  const slash = model.indexOf('/');
  const own = slash > 0 ? [{ provider: model.slice(0, slash), name: model.slice(slash + 1) }] : [];
  if (provider !== undefined) return [{ provider, name: model }, ...own];
  return own.length > 0 ? own : [{ name: model }];
}
