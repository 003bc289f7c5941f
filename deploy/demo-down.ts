import { removeDetachedLabs } from './lab/lab.ts';

const count = removeDetachedLabs('demo');
console.log(count === 0 ? 'No lab was up.' : `${count} lab${count === 1 ? '' : 's'} taken down.`);
