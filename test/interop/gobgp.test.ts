import { testWith } from './suite.ts';

testWith('GoBGP');
