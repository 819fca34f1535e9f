import { foreignModules, modulesOf, namesPlugins, repositoryOf } from './repository-modules.ts';
import { forThisStartOnly } from './start-variables.ts';

/** What OpenCode runs in. */
declare const Bun: {
  plugin(plugin: {
    readonly name: string;
    setup(build: { onLoad(of: { readonly filter: RegExp }, load: () => { readonly contents: string; readonly loader: 'js' }): void }): void;
  }): void;
};

/**
 * A plugin for OpenCode itself (which takes everything that this exports for one), loaded where the workspace is not trusted. OpenCode 1.18 imports
 * the plugins of a repository also where it is told not to read the repository's configuration: it only does not call them, but what they do as they
 * are loaded is done. It gets there with the first prompt, when this has been loaded: every module of the repository is an empty one by then,
 * and where its configuration may name others, every one that is not OpenCode's own.
 */
export default async function guard(): Promise<object> {
  forThisStartOnly();
  const folder = process.cwd();
  const filter = namesPlugins(folder) ? foreignModules() : modulesOf(repositoryOf(folder));
  Bun.plugin({
    name: 'singletree-guard',
    setup: (build) => build.onLoad({ filter }, () => ({ contents: 'export default {};', loader: 'js' })),
  });
  return {};
}
